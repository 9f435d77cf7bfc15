"""A package of somebody else, as the tests install it."""
