"""Rules of retailers and of textbooks, and rules that learn demand during the sale."""
