"""From a customer's text to intent probabilities, sentiment and explanations."""
