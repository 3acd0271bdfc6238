"""The drill: the real program is killed wherever it can be, and what it leaves behind is put to the test."""
