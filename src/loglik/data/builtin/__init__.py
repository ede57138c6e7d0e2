"""The official data sets by name, each in a file with its loader; their files are the user's, see `places`."""
