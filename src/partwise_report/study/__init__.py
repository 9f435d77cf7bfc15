"""Why the report's systems did not learn: two studies.

systems: every system as written, as committed, and with one switch put back or corrected, trained on images.
guesses: each guess of the report as a comparison that decides it, trained on stored features, with three seeds.
pictures: the report's figures, drawn from networks and truth.

What both studies measure is beside them: a look at frames, probes, and objects in their windows.
"""
