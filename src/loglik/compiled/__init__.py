"""What the compiled loops share: functions, draws and threads. numba loads with the files that use it, not before."""
