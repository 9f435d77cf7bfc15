"""The study of the systems: variants trained one after the other on one budget, and the page that compares them."""
