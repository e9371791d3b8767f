"""What a face does over time: predictions smoothed, and the events in them."""
