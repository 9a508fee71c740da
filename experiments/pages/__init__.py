"""What a person looks at: pictures, and reports as self-contained HTML."""
