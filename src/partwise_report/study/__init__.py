"""The report's study, reproduced: every system as written, as committed, and with one switch put back or corrected."""
