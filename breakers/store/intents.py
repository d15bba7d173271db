"""
The records of intents in a server that several share: what each becomes is decided here, by the functions of every
store, and put there by a script if the record is still the one that was seen.
"""

from __future__ import annotations

from breakers.known import Earlier, Ended
from breakers.store import moves
from breakers.store.charged import Charged
from breakers.store.history import Decide, History, ending
from breakers.store.link import Shared, reading
from breakers.store.packed import Kept, Move, Packer, pack_charges
from breakers.store.protocol import IntentOpened, OpenIntent, StoreUnavailable
from breakers.known import IN_FLIGHT, State
