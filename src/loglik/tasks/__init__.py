"""What a fitted model is for: comparing, sampling."""
