"""The sample app's function."""


def handle(event, context):
    return {"asked": event, "by": context.invoked_function_arn}
