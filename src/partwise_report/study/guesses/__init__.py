"""The study of the guesses: what is trained, what is measured, and what decides each guess."""
