"""`cohort prove`: what any role of a cohort may do, decided from the templates before a deploy.

    world      what the templates make: roles, resources, their policies, and what calls what
    catalogue  what AWS can be asked: actions, resource types, condition keys
    classes    the finite classes of each variable of a request that policies can tell apart
    deciding   one role, one action: every class of requests, by the evaluator in `assurance.iam`
    promises   what we promise, as data
    proof      each promise held against what is allowed; a breach is a request
"""
