"""Language models and strategies at the command line: who is asked, what they play, what a search adds."""
