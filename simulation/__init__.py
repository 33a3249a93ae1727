"""The simulated programme: one seed makes schools, people, days and deeds against the real program, and a model says what must come out.

`model` knows the rules of the programme and nothing of the program; `program` starts the program under a clock of ours; everything else
speaks HTTP with it. See docs/developers/simulate.md.
"""
