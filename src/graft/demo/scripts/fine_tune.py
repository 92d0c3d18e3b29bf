"""The journey of `graft demo`, from two folders to a model on the hub: one cell a step.

`graft demo` shows each cell and runs it. The script runs by itself, too, where `HF_ENDPOINT` and
`HF_TOKEN` are those of an account named demo:

    python fine_tune.py BASE_FOLDER BASE_ID DATA_FOLDER EPOCHS
"""

import sys

import graft
from graft.display import show
from graft.hub.client import push_folder

base_folder, base_id, data_folder = sys.argv[1:4]
epochs = int(sys.argv[4])

# %% See who you are on this hub
print(graft.whoami())

# %% Put a pretrained model and a data set on the hub
print(push_folder(base_folder, base_id, message="Add a base model"))
print(push_folder(data_folder, "demo/questions", repo_type="dataset", message="Add questions"))

# %% Find a model and a data set, by search
models = graft.search_models(base_id.removeprefix("demo/"))
datasets = graft.search_datasets("questions", task="text-classification", language="en")
for found in (models[0], datasets[0]):
    print(f"{found.id}: {', '.join(found.tasks)}, {', '.join(found.languages)}, {found.license}")

# %% Load the data set by its id
data = graft.load_dataset(datasets[0].id)
show(data)

# %% Load the model by its id, with a new head, and look at a batch
learn = graft.Learner("text-classification", data, base=models[0].id)
learn.show_batch(rows=4)

# %% Measure it before training, when its head only guesses
before = learn.evaluate("test")
print(f"accuracy on {before.rows} test questions: {before['accuracy']:.1%}")

# %% Fine-tune it
learn.fit_one_cycle(epochs, 2e-4)

# %% Measure it on questions that it was not trained on
after = learn.evaluate("test")
show(after)

# %% Share it, with a card that says how good it is
page = learn.push_to_hub(
    "demo/question-sorter",
    license="apache-2.0",
    examples=["Who wrote Hamlet?", "How far is the moon?", "What does DNA stand for?"],
    intended_use="A demonstration of Graft. It says what kind of answer a question asks for.",
)
print(page)

# %%
trained = learn.record.fits[-1]
figures = {
    "accuracy_before": before["accuracy"],
    "accuracy_after": after["accuracy"],
    "training_examples_per_second": epochs * len(learn.data["train"]) / trained["seconds"],
}
