"""CloudFormation of the embedded cloud: stacks, change sets and the types the academy uses.

Moto's own engine evaluates lazily, skips what it does not know and cannot roll back, so it is not
repaired but replaced: `api` answers the operations, `engine` keeps the stacks, `deployment` makes,
changes and removes resources, `template` reads templates, `types` holds one module a service.
"""

from infra.offline.fidelity import Part

FIDELITY = Part(
    title="CloudFormation",
    emulated=(
        "our engine over the services' own operations: change sets, events, outputs, parameters "
        "from SSM, order, update, replacement, deletion, stack policies, import by name, failure "
        "and roll-back, for the types "
        "below; other types, properties (nested ones too), attributes and functions fail the "
        "stack and are named"
    ),
    checked=(
        "by client: the CDK CLI and the AWS CLI; by schema: CloudFormation's own, type by type; "
        "a failure at every resource of the academy's stacks leaves exactly what was there, "
        "compared object by object"
    ),
    differences=(
        "the execution role is not enforced inside; one deployment at a time; when CloudFormation "
        "finds out that a stack policy lets a resource not go is not documented, here it is before "
        "anything is made; an imported resource whose tags cannot change is taken to have the "
        "stack's; no drift, no stack "
        "sets, no nested stacks, no custom resources, no macros: refused"
    ),
)
