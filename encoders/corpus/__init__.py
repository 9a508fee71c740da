"""Generated customer messages: phrase templates, messages with an intent, and messages with none."""
