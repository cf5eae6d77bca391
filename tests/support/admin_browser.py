"""The admin of a real node, as a browser without scripts uses it."""

import re
import subprocess
import sys

import httpx

from tests.support.process import ROOT, NodeProcess

NAME, PASSWORD = "operator", "correct horse battery"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


class Browser:
    """Logs in, follows forms."""

    def __init__(self, node: NodeProcess) -> None:
        self._http = httpx.Client(base_url=f"http://localhost:{node.port}", follow_redirects=True)

    def close(self) -> None:
        self._http.close()

    def get(self, path: str) -> str:
        answer = self._http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, path: str, **fields: str | list[str]) -> httpx.Response:
        """Send the form of this page."""
        token = TOKEN.search(self.get(path))
        assert token is not None
        origin = {"Origin": str(self._http.base_url)}
        data = {"csrfmiddlewaretoken": token[1], **fields}
        return self._http.post(path, data=data, headers=origin)

    def post_without_form(self, path: str, **fields: str) -> httpx.Response:
        return self._http.post(path, data=fields)

    def log_in(self, password: str = PASSWORD) -> httpx.Response:
        return self.post("/admin/login/?next=/admin/", username=NAME, password=password)


def make_user(node: NodeProcess) -> str:
    """As docs/admin.md says, beside the running node. Returns what the command complains about."""
    done = subprocess.run(
        [sys.executable, "manage.py", "createsuperuser", "--noinput", "--email", "a@example.org"],
        check=False,
        cwd=ROOT,
        env={
            **node.environment(),
            "DJANGO_SUPERUSER_USERNAME": NAME,
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        },
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.stderr
