"""The accounts and repositories that the client's own tests expect to find on a hub."""

from graft.server.people import accounts, organizations
from graft.server.records import Account
from graft.server.running import RunningHub

Constants = dict[str, str]
"""Names of `tests/testing_constants.py`, with what they are for one Hub."""


def seed(hub: RunningHub) -> Constants:
    """Makes what the tests expect, and answers the constants that name it."""
    user, token = _add_user(hub, "__DUMMY_HUB_USER__", "Dummy User")
    _, other_token = _add_user(hub, "DVUser")
    admin, enterprise_token = _add_user(hub, "EnterpriseAdmin")
    organizations.create(hub.hub, "valid_org_hub", founder=user, full_name="Dummy Hub Org")
    organizations.create(hub.hub, "EnterpriseOrgPrivate", founder=admin)
    return {
        "ENDPOINT_STAGING": hub.url,
        "ENDPOINT_PRODUCTION": hub.url,
        "ENDPOINT_PRODUCTION_URL_SCHEME": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "TOKEN": token,
        "OTHER_TOKEN": other_token,
        "ENTERPRISE_TOKEN": enterprise_token,
    }


def _add_user(hub: RunningHub, name: str, full_name: str = "") -> tuple[Account, str]:
    account = accounts.create_account(hub.hub, name, full_name=full_name)
    return account, accounts.create_token(hub.hub, account, name="conformance")[1]


_SIMPLE = """---
language:
- en
license: mit
library_name: pytorch-lightning
tags:
- pytorch
- image-classification
datasets:
- beans
metrics:
- acc
---

# my-cool-model

Sorts beans.
"""

_MODEL_INDEX = """---
model-index:
- name: Beans
  results:
  - task:
      type: image-classification
    dataset:
      name: Beans
      type: beans
    metrics:
    - type: accuracy
      value: 0.5
    - type: f1
      value: 0.25
---

# Beans
"""

_DATA_SET = """---
annotations_creators:
- crowdsourced
- expert-generated
language_creators:
- found
language:
- en
license:
- bsd-3-clause
multilinguality:
- monolingual
size_categories:
- n<1K
task_categories:
- image-segmentation
task_ids:
- semantic-segmentation
pretty_name: Sample Segmentation
---

# Dataset Card for Sample Segmentation
"""

_TEMPLATE = "---\n{{ card_data }}\n---\n\n# {{ NAME }}\n\n{{ some_data }}"

CARDS = {
    "sample_simple": _SIMPLE,
    "sample_windows_line_breaks": _SIMPLE.replace("\n", "\r\n"),
    "sample_no_metadata": "# my-cool-model\n",
    "sample_invalid_card_data": "---\n[]\n---\n\n# my-cool-model\n",
    "sample_invalid_model_index": "---\nmodel-index: beans\n---\n\n# Beans\n",
    "sample_simple_model_index": _MODEL_INDEX,
    "sample_template": _TEMPLATE.replace("NAME", "model_name or 'Beans'"),
    "sample_datasetcard_simple": _DATA_SET,
    "sample_datasetcard_template": _TEMPLATE.replace("NAME", "pretty_name"),
}
"""The cards that the tests read. Their distribution lacks them: these hold what the tests say."""
