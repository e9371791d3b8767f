"""Labels that nobody gave: derived from votes, from the shapes of a face model, from renderings.

None of them is a coding by FACS or a rating by people; what is learned from them must say so.
"""
