"""What a person sees of a sale."""
