"""What belongs to the page of one rotation: its parts, and what is opened from it."""
