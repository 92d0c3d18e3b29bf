"""Secrets that were committed by mistake: tokens of the usual kinds, and private keys, in texts."""

import re
from dataclasses import dataclass

MAX_SECRETS = 20
MAX_BYTES = 2 * 1024**2

_PATTERNS = {
    "a Graft access token": rb"\bgraft_[0-9a-f]{40}\b",
    "a Hugging Face access token": rb"\b(?:hf|api_org)_[A-Za-z0-9]{34,}\b",
    "a GitHub token": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})\b",
    "a GitLab token": rb"\bglpat-[A-Za-z0-9_-]{20,}",
    "an AWS access key": rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "a Google API key": rb"\bAIza[A-Za-z0-9_-]{35}",
    "an OpenAI key": rb"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}",
    "an Anthropic key": rb"\bsk-ant-[A-Za-z0-9_-]{80,}",
    "a Slack token": rb"\bxox[abeoprs]-[A-Za-z0-9-]{20,}",
    "a Stripe key": rb"\b[rs]k_live_[A-Za-z0-9]{20,}",
    "a PyPI token": rb"\bpypi-AgE[A-Za-z0-9_-]{70,}",
    "an npm token": rb"\bnpm_[A-Za-z0-9]{36}\b",
    "a private key": rb"-----BEGIN (?:[A-Z]+ ){0,2}PRIVATE KEY(?: BLOCK)?-----\s+[A-Za-z0-9+/=:-]",
}
_ANY = re.compile(
    b"|".join(b"(?P<k%d>%s)" % (number, p) for number, p in enumerate(_PATTERNS.values()))
)
_NAMES = {f"k{number}": name for number, name in enumerate(_PATTERNS)}


@dataclass(frozen=True)
class Secret:
    """What seems to be a secret; never the secret itself."""

    path: str
    line: int
    kind: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: this looks like {self.kind}"


def find_secrets(path: str, content: bytes) -> list[Secret]:
    """What in a text looks like a secret; nothing where the file is no text."""
    head = content[:MAX_BYTES]
    if b"\0" in head[:8192]:
        return []
    found = []
    line, counted = 1, 0
    for match in _ANY.finditer(head):
        line += head.count(b"\n", counted, match.start())
        counted = match.start()
        found.append(Secret(path, line, _NAMES[str(match.lastgroup)]))
        if len(found) == MAX_SECRETS:
            break
    return found


def warning(found: list[Secret]) -> str:
    """What somebody is told who committed secrets; empty where there are none."""
    if not found:
        return ""
    listed = "\n".join(f"  {secret}" for secret in found[:MAX_SECRETS])
    return (
        f"Warning: this commit seems to hold secrets. Whoever may read it can use them:\n{listed}\n"
        "Revoke each where it was made; taking it out of the newest version leaves it in the "
        "history."
    )
