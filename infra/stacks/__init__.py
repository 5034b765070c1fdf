"""The cohort's stacks, one file each. They find each other by names, never by exports."""

import os

# The CDK's bridge to Node prints eleven lines about Node's age or novelty at every command. It
# reads this when aws_cdk is first used; what Node is needed stands in the README.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
os.environ.setdefault("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")
