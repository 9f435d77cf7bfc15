"""A page in the browser: drop a photo, see what is found, and click a pixel to see why. It needs the extra `serve`."""
