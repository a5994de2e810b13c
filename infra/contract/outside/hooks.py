"""What schemathesis must not send as right: JSON Schema takes 5990.0 for a whole number, huitou
refuses it, for a source that writes amounts so most often means yuan and not fen."""

import schemathesis


def whole(value):
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return value


def without_question_mark(values):
    return {name: value.replace("?", "-") if isinstance(value, str) else value for name, value in values.items()}


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """An HTTP API decodes the path and takes what stands behind a ? for the query."""
    return without_question_mark(path_parameters or {})


@schemathesis.hook
def before_call(context, case, kwargs):
    case.body = whole(case.body)
    case.path_parameters = without_question_mark(case.path_parameters or {})
