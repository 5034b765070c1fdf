"""CloudFormation of the embedded cloud: stacks, change sets and the types the academy uses.

Moto's own engine evaluates lazily, skips what it does not know and cannot roll back, so it is not
repaired but replaced: `api` answers the operations, `engine` keeps the stacks, `deployment` makes,
changes and removes resources, `template` reads templates, `types` holds one module a service.
"""
