"""The state that judgement needs, in our verbs: facts, reserve, dispatch, settle, suspend, apply."""
