"""Where results go: files and folders that are whole or not there, and nothing replaced that loglik did not write."""
