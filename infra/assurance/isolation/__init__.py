"""`cohort prove`: what any role of a cohort may do, decided from the templates before a deploy.

reading    templates to a `world`: roles, resources, their policies, and what calls what
requests   every class of requests that policies and question can tell apart, decided
promises   what we promise, as data
chains     what a role may set off beyond itself, and the contracts of whom that ends at
shapes     roles that are equal but for their own ids, decided once (`renaming`)
proof      each promise held against what is allowed; a breach is a request, told in `words`
plugin     the same as an error of `cdk synth` and `cdk deploy`
account    who else in an account can cross the fence
"""
