import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossip.core.conditions import IfAbsent, IfVersion
from gossip.core.entries import Entry
from gossip.relay import items
from gossip.relay.items import Frame
from gossip.runtime.watch import Change, ChangeKind
