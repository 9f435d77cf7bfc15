"""An independent package: it adds one extension of each kind to partwise by entry points, without an edit there."""
