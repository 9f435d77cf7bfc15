"""A package of somebody else: it adds one of each kind to partwise by entry points, without an edit there."""
