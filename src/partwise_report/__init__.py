"""The 2017 report that partwise grew out of: its systems, the slips of its code, and the study of why it did not learn.

It joins partwise as any other package does, by entry points (pyproject.toml), and imports only public names of it.
"""
