"""Other programs at the till: the text environment in the forms that they ask for, one file each."""
