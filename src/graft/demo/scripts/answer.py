"""The end of the journey of `graft demo`: somebody else, in a process of their own, uses the model.

The script runs by itself, too, where `HF_ENDPOINT` is the hub of the first part: python answer.py
"""

import time

import graft

# %% In a new process: load the shared model by its id
pipe = graft.pipeline("demo/question-sorter")
print(pipe)

# %% Ask it what it has not seen
questions = [
    "Who painted the ceiling of that chapel in the Vatican?",
    "how tall was the tallest wave anyone ever surfed",
    "Where should I change trains if I go from Oslo to Vienna?",
    "What do the letters RSVP on an invitation mean?",
    "How come my glasses fog up when I put on a mask?",
    "Which musical instrument has 47 strings and seven pedals?",
]
for question, answer in zip(questions, pipe(questions), strict=True):
    print(f"{answer.label:13} {answer.score:.2f}  {question}")

# %% Check that it is as good as it was where it was trained
test = graft.load_dataset("demo/questions", split="test")
shared = pipe.evaluate(test)
print(f"accuracy on {shared.rows} test questions: {shared['accuracy']:.1%}")

# %%
texts = test["text"]
started = time.perf_counter()
pipe(texts)
figures = {
    "accuracy_shared": shared["accuracy"],
    "prediction_examples_per_second": len(texts) / (time.perf_counter() - started),
}
