"""How each question is asked and how its answer is read, one file an area.

`ask_*` does what the question says, with a `Probe`, and hands what it saw to `read_*`, which is
pure and says what that means for our line. The list of all of them is in ../questions.py.
"""
