"""Faces watched as they come: the loop, the page in the browser, the recording."""
