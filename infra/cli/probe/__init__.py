"""`cohort probe`: one cheap run on real AWS that confirms what only AWS can confirm.

questions.py   the list: each question, the line of docs/fidelity.md that it asks about, what it
               makes, what that costs at most, what it needs to be allowed
asking/        how each is asked and how its answer is read, one file an area
probing.py     what a question has in its hands: clients, names, roles, waiting
shared.py      what several questions stand on: a bucket, a catcher of events, a Studio domain
budget.py      the cap: a question's worst case is reserved before it starts
ledger.py      the record of what is made, written before it is made
removal.py     how each kind of thing is removed, also by a later run
recording.py   the transcripts of what went over the wire; scrubbing.py makes them fit to share
golden.py      holds the embedded cloud to transcripts
run.py         asks all of them and cleans up;  report.py prints;  command.py is the command
"""
