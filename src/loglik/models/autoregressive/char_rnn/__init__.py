"""Char RNN: recurrent cells over a sequence."""
