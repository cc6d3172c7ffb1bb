"""Made from docs/api.yaml by `make schema`: change the API, not this file."""

from __future__ import annotations

from datetime import date
from enum import Enum, StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AnyUrl,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    RootModel,
)


class Email(RootModel[EmailStr]):
    root: Annotated[
        EmailStr,
        Field(
            description='Told when the cards are on their way.',
            max_length=254,
            title="Recipient's e-mail",
        ),
    ]


class Email1(RootModel[str]):
    root: Annotated[
        str,
        Field(
            description='Told when the cards are on their way.',
            max_length=0,
            title="Recipient's e-mail",
        ),
    ]


class Address(BaseModel):
    id: int
    organization: Annotated[
        str | None,
        Field(description='Yours, unless you are staff. Cannot be changed later.'),
    ] = None
    name: Annotated[
        str,
        Field(
            description='For you: it stands in lists, not on the parcel.',
            max_length=100,
            title='Name of the address',
        ),
    ]
    recipient: Annotated[str, Field(max_length=100)]
    email: Annotated[
        Email | Email1 | None,
        Field(
            description='Told when the cards are on their way.',
            title="Recipient's e-mail",
        ),
    ] = None
    phone: Annotated[
        str | None,
        Field(
            description="Carriers ask for it. With the country's code, for example +223 20 22 52 29.",
            max_length=30,
        ),
    ] = None
    street: Annotated[
        str,
        Field(
            description='Street and number or post box; as many lines as needed, without city and country.',
            max_length=1000,
        ),
    ]
    postal_code: Annotated[str | None, Field(max_length=20)] = None
    city: Annotated[str, Field(max_length=100)]
    country: Annotated[str, Field(max_length=2)]
    created_at: Annotated[AwareDatetime, Field(title='Created')]
    updated_at: Annotated[AwareDatetime, Field(title='Changed')]


class Email2(RootModel[EmailStr]):
    root: Annotated[
        EmailStr,
        Field(
            description='Told when the cards are on their way.',
            max_length=254,
            title="Recipient's e-mail",
        ),
    ]


class Email3(RootModel[str]):
    root: Annotated[
        str,
        Field(
            description='Told when the cards are on their way.',
            max_length=0,
            title="Recipient's e-mail",
        ),
    ]


class AddressRequest(BaseModel):
    organization: Annotated[
        str | None,
        Field(
            description='Yours, unless you are staff. Cannot be changed later.',
            min_length=1,
        ),
    ] = None
    name: Annotated[
        str,
        Field(
            description='For you: it stands in lists, not on the parcel.',
            max_length=100,
            min_length=1,
            title='Name of the address',
        ),
    ]
    recipient: Annotated[str, Field(max_length=100, min_length=1)]
    email: Annotated[
        Email2 | Email3 | None,
        Field(
            description='Told when the cards are on their way.',
            title="Recipient's e-mail",
        ),
    ] = None
    phone: Annotated[
        str | None,
        Field(
            description="Carriers ask for it. With the country's code, for example +223 20 22 52 29.",
            max_length=30,
        ),
    ] = None
    street: Annotated[
        str,
        Field(
            description='Street and number or post box; as many lines as needed, without city and country.',
            max_length=1000,
            min_length=1,
        ),
    ]
    postal_code: Annotated[str | None, Field(max_length=20)] = None
    city: Annotated[str, Field(max_length=100, min_length=1)]
    country: Annotated[str, Field(max_length=2, min_length=1)]


class AnswerEnum(StrEnum):
    GO = 'go'
    CANCEL = 'cancel'
    STALE = 'stale'


class Answers(StrEnum):
    CANCEL = 'cancel'
    STALE = 'stale'


class BeatAnswer(BaseModel):
    ring: list[UUID]
    drain: bool
    keep: list[UUID] | None = None
    answers: dict[str, Answers] | None = None
    pace: float | None = None
    every: float | None = None


class BlankEnum(Enum):
    FIELD_ = ''


class ClaimRequest(BaseModel):
    claim_id: UUID
    boot_id: Annotated[str, Field(max_length=64, min_length=1)]
    protocol: int
    version: Annotated[str, Field(max_length=30, min_length=1)]


class PreloadUrl(RootModel[AnyUrl]):
    root: Annotated[
        AnyUrl,
        Field(
            description='Its files will lie in the File Manager of the hotspot.',
            title='Address of a ZIP archive',
        ),
    ]


class PreloadUrl1(RootModel[str]):
    root: Annotated[
        str,
        Field(
            description='Its files will lie in the File Manager of the hotspot.',
            max_length=0,
            title='Address of a ZIP archive',
        ),
    ]


class BetaFeature(RootModel[str]):
    root: Annotated[str, Field(max_length=50)]


class PerCardItem(BaseModel):
    model_config = ConfigDict(
        extra='forbid',
    )
    to: Annotated[str, Field(examples=['serial.txt'], max_length=100)]
    content: Annotated[str, Field(examples=['{serial}'], max_length=512)]


class Content(RootModel[str]):
    root: Annotated[str, Field(min_length=1)]


class PreloadUrl2(RootModel[AnyUrl]):
    root: Annotated[
        AnyUrl,
        Field(
            description='Its files will lie in the File Manager of the hotspot.',
            title='Address of a ZIP archive',
        ),
    ]


class PreloadUrl3(RootModel[str]):
    root: Annotated[
        str,
        Field(
            description='Its files will lie in the File Manager of the hotspot.',
            max_length=0,
            title='Address of a ZIP archive',
        ),
    ]


class BetaFeature1(RootModel[str]):
    root: Annotated[str, Field(max_length=50, min_length=1)]


class Tag(RootModel[str]):
    root: Annotated[str, Field(max_length=100)]


class Language(RootModel[str]):
    root: Annotated[str, Field(max_length=10)]


class ContentKind(StrEnum):
    ZIM = 'zim'
    FILES = 'files'
    APP = 'app'


class DeliveryOutcomeEnum(StrEnum):
    INVITED = 'invited'
    EXTENDED = 'extended'


class Difference(BaseModel):
    field: str
    before: str
    after: str
    added: list[str]
    removed: list[str]


class EndedAttempt(BaseModel):
    task: UUID
    attempt: int


class FaultEnum(StrEnum):
    JOB = 'job'
    HOST = 'host'
    SLOT = 'slot'
    CARD = 'card'
    BUG = 'bug'


class FileRequest(BaseModel):
    name: Annotated[
        str, Field(min_length=1, pattern='^[A-Za-z0-9][A-Za-z0-9._-]{0,140}$')
    ]
    size: Annotated[int, Field(ge=0, le=4611686018427387904)]
    sha256: Annotated[str, Field(min_length=1, pattern='^[0-9a-f]{64}$')]


class Grant(BaseModel):
    order: UUID


class HeldRequest(BaseModel):
    task: UUID
    attempt: Annotated[int, Field(ge=1, le=2147483647)]


class HubRequest(BaseModel):
    path: Annotated[
        str,
        Field(
            min_length=1,
            pattern='^usb[0-9]{1,3}$|^[0-9]{1,3}-[0-9]{1,3}(\\.[0-9]{1,3}){0,8}$',
        ),
    ]
    speed: Annotated[float | None, Field(ge=0.0)]


class ImportRequest(BaseModel):
    organization: Annotated[
        str | None, Field(description='Yours, unless you are staff.')
    ] = None
    file: bytes


class Invitation(BaseModel):
    id: int
    organization: str
    email: Annotated[EmailStr, Field(title='E-mail')]
    name: str
    language: str
    account_ends_at: Annotated[
        AwareDatetime | None,
        Field(
            description='Of the account that is made by it. Empty: never.',
            title='Account ends',
        ),
    ]
    can_order_cards: Annotated[
        bool, Field(description='Otherwise downloads alone.', title='May order cards')
    ]
    invited_by: Annotated[EmailStr | None, Field(title='E-mail')]
    created_at: Annotated[AwareDatetime, Field(title='Invited')]
    sent_at: Annotated[AwareDatetime | None, Field(title='Sent')]
    expires_at: Annotated[AwareDatetime, Field(title='Expires')]
    accepted_at: Annotated[AwareDatetime | None, Field(title='Accepted')]
    revoked_at: Annotated[AwareDatetime | None, Field(title='Revoked')]


class LanguageEnum(StrEnum):
    EN = 'en'
    FR = 'fr'


class LogRequest(BaseModel):
    offset: Annotated[int, Field(ge=0, le=4611686018427387904)]
    text: Annotated[str, Field(max_length=65536)]


class LoginInputRequest(BaseModel):
    email: Annotated[str, Field(max_length=254, min_length=1)]
    password: Annotated[str, Field(max_length=4096, min_length=1)]
    code: Annotated[
        str,
        Field(
            description='For accounts with a second factor: from its app, or a recovery code.',
            max_length=20,
        ),
    ] = ''


class MeasureRequest(BaseModel):
    contents: Annotated[
        list[Content] | None, Field(description='Identifiers of the catalogue.')
    ] = None
    content_metrics: bool = False
    option_kiwix_readers: bool = False
    branding_logo: Annotated[
        UUID | None, Field(description='An upload of the kind `logo`.')
    ] = None
    branding_favicon: Annotated[
        UUID | None, Field(description='An upload of the kind `favicon`.')
    ] = None
    preload_zip: Annotated[
        UUID | None, Field(description='An upload of the kind `zip`.')
    ] = None


class Measured(BaseModel):
    needed_bytes: int
    card: Annotated[int | None, Field(...)]
    download: Annotated[int | None, Field(...)]
    free_bytes: Annotated[int, Field(description='On that card.')]


class MediaKind(StrEnum):
    PHYSICAL = 'physical'
    VIRTUAL = 'virtual'


class Move(BaseModel):
    came_from: Annotated[str, Field(title='From')]
    went_to: Annotated[str, Field(title='To')]
    by: str
    note: str
    at: AwareDatetime


class Note(BaseModel):
    id: int
    at: AwareDatetime
    by: str
    text: Annotated[str, Field(title='Note')]


class NoteInputRequest(BaseModel):
    text: Annotated[str, Field(max_length=2000, min_length=1)]


class Offered(BaseModel):
    note: bool
    prioritize: bool
    readdress: bool
    recreate: bool


class RecipientEmail(RootModel[EmailStr]):
    root: Annotated[EmailStr, Field(max_length=254)] = ''


class RecipientEmail1(RootModel[str]):
    root: Annotated[str, Field(max_length=0)]


class OrderKind(StrEnum):
    PHYSICAL = 'physical'
    VIRTUAL = 'virtual'


class OrderedContent(BaseModel):
    title: str
    path: str
    size: int


class Organization(BaseModel):
    slug: Annotated[str, Field(pattern='^[-a-zA-Z0-9_]+$')]
    name: str
    email: str
    language: str
    channel: str
    active: Annotated[
        bool,
        Field(
            description='Members of an inactive organization cannot log in; its orders go on until canceled.'
        ),
    ]
    limited: Annotated[
        bool,
        Field(
            description='Orders need units that staff granted. Otherwise they are only counted.',
            title='Limited units',
        ),
    ]
    max_open_orders: Annotated[
        int | None,
        Field(
            description='How many orders may be under way at a time; empty: any number.',
            title='Open orders',
        ),
    ]
    max_open_orders_per_member: Annotated[
        int | None,
        Field(description='Empty: any number.', title='Open orders per member'),
    ]
    max_quantity: Annotated[
        int | None,
        Field(
            description='Empty: as many as the service allows for everybody.',
            title='Cards per order',
        ),
    ]
    download_days: Annotated[
        int | None,
        Field(
            description="How long links of its downloads work. Empty: as long as everybody's.",
            title='Days of downloads',
        ),
    ]
    can_brand: Annotated[
        bool,
        Field(
            description='Its hotspots may have a name and logos of their own.',
            title='May brand',
        ),
    ]
    beta_is_active: Annotated[
        bool,
        Field(
            description='Its configurations may ask for what is being tried.',
            title='Beta features',
        ),
    ]
    created_at: Annotated[AwareDatetime, Field(title='Created')]


class PaginatedAddressList(BaseModel):
    count: Annotated[int, Field(examples=[123])]
    next: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=4'])
    ] = None
    previous: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=2'])
    ] = None
    results: list[Address]


class PaginatedInvitationList(BaseModel):
    count: Annotated[int, Field(examples=[123])]
    next: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=4'])
    ] = None
    previous: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=2'])
    ] = None
    results: list[Invitation]


class PaginatedNoteList(BaseModel):
    count: Annotated[int, Field(examples=[123])]
    next: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=4'])
    ] = None
    previous: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=2'])
    ] = None
    results: list[Note]


class PaginatedOrganizationList(BaseModel):
    count: Annotated[int, Field(examples=[123])]
    next: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=4'])
    ] = None
    previous: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=2'])
    ] = None
    results: list[Organization]


class PairOutput(BaseModel):
    access: str
    refresh: str
    expires_in: int


class PatchedAccountInputRequest(BaseModel):
    name: Annotated[str | None, Field(max_length=150)] = None
    language: LanguageEnum | BlankEnum | None = None


class Email4(RootModel[EmailStr]):
    root: Annotated[
        EmailStr,
        Field(
            description='Told when the cards are on their way.',
            max_length=254,
            title="Recipient's e-mail",
        ),
    ]


class Email5(RootModel[str]):
    root: Annotated[
        str,
        Field(
            description='Told when the cards are on their way.',
            max_length=0,
            title="Recipient's e-mail",
        ),
    ]


class PatchedAddressRequest(BaseModel):
    organization: Annotated[
        str | None,
        Field(
            description='Yours, unless you are staff. Cannot be changed later.',
            min_length=1,
        ),
    ] = None
    name: Annotated[
        str | None,
        Field(
            description='For you: it stands in lists, not on the parcel.',
            max_length=100,
            min_length=1,
            title='Name of the address',
        ),
    ] = None
    recipient: Annotated[str | None, Field(max_length=100, min_length=1)] = None
    email: Annotated[
        Email4 | Email5 | None,
        Field(
            description='Told when the cards are on their way.',
            title="Recipient's e-mail",
        ),
    ] = None
    phone: Annotated[
        str | None,
        Field(
            description="Carriers ask for it. With the country's code, for example +223 20 22 52 29.",
            max_length=30,
        ),
    ] = None
    street: Annotated[
        str | None,
        Field(
            description='Street and number or post box; as many lines as needed, without city and country.',
            max_length=1000,
            min_length=1,
        ),
    ] = None
    postal_code: Annotated[str | None, Field(max_length=20)] = None
    city: Annotated[str | None, Field(max_length=100, min_length=1)] = None
    country: Annotated[str | None, Field(max_length=2, min_length=1)] = None


class PreloadUrl4(RootModel[AnyUrl]):
    root: Annotated[
        AnyUrl,
        Field(
            description='Its files will lie in the File Manager of the hotspot.',
            title='Address of a ZIP archive',
        ),
    ]


class PreloadUrl5(RootModel[str]):
    root: Annotated[
        str,
        Field(
            description='Its files will lie in the File Manager of the hotspot.',
            max_length=0,
            title='Address of a ZIP archive',
        ),
    ]


class Card1(RootModel[str]):
    root: Annotated[str, Field(pattern='^((cid|stamp):[0-9a-f]{8,64})?$')]


class Card2(RootModel[str]):
    root: Annotated[str, Field(max_length=0)]


class Stamp(RootModel[str]):
    root: Annotated[str, Field(pattern='^([0-9a-f]{32})?$')]


class Stamp1(RootModel[str]):
    root: Annotated[str, Field(max_length=0)]


class PermitRequest(BaseModel):
    event_id: UUID
    attempt: Annotated[int, Field(ge=1, le=2147483647)]
    slot: Annotated[str, Field(max_length=20, min_length=1)]
    diskseq: Annotated[
        int | None, Field(ge=-4611686018427387904, le=4611686018427387904)
    ]
    boot_id: Annotated[str, Field(max_length=64, min_length=1)]
    card_bytes: Annotated[int, Field(ge=0, le=4611686018427387904)]
    card: Card1 | Card2 | None = None
    stamp: Stamp | Stamp1 | None = None
    follows: Annotated[
        int | None, Field(ge=-4611686018427387904, le=4611686018427387904)
    ] = None


class PriorityEnum(StrEnum):
    URGENT = 'urgent'
    NORMAL = 'normal'
    LOW = 'low'


class PriorityInputRequest(BaseModel):
    priority: PriorityEnum


class ProgressRequest(BaseModel):
    done: Annotated[int, Field(ge=0, le=4611686018427387904)]
    total: Annotated[int | None, Field(ge=0, le=4611686018427387904)]
    rate: Annotated[float | None, Field(ge=0.0)]
    eta: Annotated[float | None, Field(ge=0.0)]


class PublishRequest(BaseModel):
    task: UUID
    attempt: Annotated[int, Field(ge=1, le=2147483647)]
    files: Annotated[list[FileRequest], Field(max_length=10)]


class PurchaseRequest(BaseModel):
    event: Annotated[str, Field(min_length=1, pattern='^[!-~]{1,100}$')]
    email: Annotated[EmailStr, Field(max_length=254, min_length=1)]
    name: Annotated[str, Field(max_length=150)] = ''
    organization: Annotated[str, Field(max_length=100)] = ''
    language: LanguageEnum | BlankEnum = ''
    days: Annotated[
        int | None,
        Field(
            description='How much longer. Left out: a new account never ends, one that is here keeps its end.',
            ge=1,
            le=3660,
        ),
    ] = None
    limited: Annotated[bool, Field(description='Whether its orders need units.')] = True
    cards: Annotated[
        bool | None,
        Field(
            description='Whether they may order cards; otherwise downloads alone. Left out: a new account may, an invitation stays as it is. true allows it to an account that is here; false takes nothing away.'
        ),
    ] = None
    units: Annotated[int, Field(ge=0, le=1000000000)] = 0


class Purse(BaseModel):
    balance: int
    reserved: int
    limited: bool


class Reason(BaseModel):
    code: str
    kind: str
    units: list[int]
    detail: str


class RecipeText(BaseModel):
    text: str


class RecipientEmail2(RootModel[EmailStr]):
    root: Annotated[EmailStr, Field(max_length=254)] = ''


class RecipientEmail3(RootModel[str]):
    root: Annotated[str, Field(max_length=0)]


class RecipientInputRequest(BaseModel):
    recipient_name: Annotated[str, Field(max_length=100)] = ''
    recipient_email: RecipientEmail2 | RecipientEmail3 | None = None
    recipient_phone: Annotated[str, Field(max_length=30)] = ''
    recipient_address: Annotated[str, Field(max_length=1000)] = ''
    recipient_postal_code: Annotated[str, Field(max_length=20)] = ''
    recipient_city: Annotated[str, Field(max_length=100)] = ''
    recipient_country: Annotated[
        str, Field(description='ISO 3166, two capital letters.', max_length=2)
    ] = ''


class RecreateInputRequest(BaseModel):
    free: bool = True


class RefreshInputRequest(BaseModel):
    refresh: Annotated[str, Field(max_length=4096, min_length=1)]


class ReleaseRequest(BaseModel):
    event_id: UUID
    attempt: Annotated[int, Field(ge=1, le=2147483647)]


class Replaced(BaseModel):
    old: str
    new: Annotated[str | None, Field(...)]


class ReportOutcomeEnum(StrEnum):
    DONE = 'done'
    FAILED = 'failed'
    CANCELED = 'canceled'


class RestoreRequest(BaseModel):
    version: Annotated[int | None, Field(ge=0, le=2147483647)] = None


class RoleEnum(StrEnum):
    MEMBER = 'member'
    STAFF = 'staff'
    CREATOR = 'creator'
    WRITER = 'writer'


class SecretsRequest(BaseModel):
    secrets: bool = False


class Serial(BaseModel):
    serial: str


class ShipInputRequest(BaseModel):
    tracking: Annotated[str, Field(max_length=200, min_length=1)]


class StatusEnum(StrEnum):
    PLACED = 'placed'
    CREATING = 'creating'
    DOWNLOADING = 'downloading'
    WRITING = 'writing'
    READY_TO_SHIP = 'ready_to_ship'
    SHIPPED = 'shipped'
    AVAILABLE = 'available'
    EXPIRED = 'expired'
    CANCELED = 'canceled'
    FAILED = 'failed'


class StepEnum(StrEnum):
    CLAIMED = 'claimed'
    CHECKING = 'checking'
    FETCHING = 'fetching'
    BUILDING = 'building'
    PACKING = 'packing'
    UPLOADING = 'uploading'
    PUBLISHING = 'publishing'
    DOWNLOADING = 'downloading'
    VERIFYING = 'verifying'
    WIPING = 'wiping'
    WRITING = 'writing'
    READING_BACK = 'reading_back'


class TaskKind(StrEnum):
    CREATE = 'create'
    DOWNLOAD = 'download'
    WRITE = 'write'


class Ticket(BaseModel):
    host: str
    port: int
    tls: bool
    user: str
    password: str
    right: str
    expires_in: int


class TicketRequestRequest(BaseModel):
    attempt: Annotated[int, Field(ge=1, le=2147483647)]


class TroubleRequest(BaseModel):
    fault: FaultEnum
    code: Annotated[str, Field(max_length=50, min_length=1)]
    message: Annotated[str, Field(max_length=4000)]


class UnitEntryKindEnum(StrEnum):
    GRANT = 'grant'
    ADJUST = 'adjust'
    RESERVE = 'reserve'
    CHARGE = 'charge'
    REFUND = 'refund'


class UploadKind(StrEnum):
    LOGO = 'logo'
    FAVICON = 'favicon'
    ZIP = 'zip'


class VariantEnum(StrEnum):
    DEMO = 'Demo'
    PREPPERS = 'Preppers'
    PREPPERS_PREMIUM = 'Preppers Premium'
    COMPUTER = 'Computer'
    MEDICAL = 'Medical'
    WIKIPEDIA_EN = 'Wikipedia EN'


class VerdictEnum(StrEnum):
    WRITING = 'writing'
    ACCEPTED = 'accepted'
    BAD = 'bad'
    ABANDONED = 'abandoned'


class VerifyInputRequest(BaseModel):
    token: Annotated[str, Field(max_length=4096, min_length=1)]


class Version(BaseModel):
    number: Annotated[int, Field(title='Version')]
    saved_at: Annotated[AwareDatetime, Field(title='Saved')]
    saved_by: Annotated[
        str | None, Field(description='Null when nobody or a deleted account did.')
    ]
    note: str


class Problem(BaseModel):
    model_config = ConfigDict(
        extra='allow',
    )
    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: Annotated[dict[str, Any] | None, Field(description='By field.')] = None


class Account(BaseModel):
    email: Annotated[EmailStr, Field(title='E-mail')]
    name: str
    language: str
    role: RoleEnum
    organization: Annotated[str | None, Field(...)]
    may_order_cards: bool
    expires_at: Annotated[
        AwareDatetime | None,
        Field(
            description='From then on nobody can log in with it. Two mails warn before. Empty: never.',
            title='Account ends',
        ),
    ]


class Answer(BaseModel):
    answer: AnswerEnum


class Assignment(BaseModel):
    task: UUID
    order: UUID
    kind: TaskKind
    attempt: int
    claim_id: UUID
    lease: float
    deadline: int
    report_every: float
    spec: dict[str, Any]


class Assignments(BaseModel):
    assignments: list[Assignment]


class BusRequest(BaseModel):
    port: Annotated[
        str, Field(min_length=1, pattern='^[0-9]{1,3}-[0-9]{1,3}(\\.[0-9]{1,3}){0,8}$')
    ]
    speed: Annotated[float | None, Field(ge=0.0)]
    held_back: bool
    hubs: Annotated[list[HubRequest], Field(max_length=8)]


class Card(BaseModel):
    serial: Annotated[str, Field(title='Serial number')]
    unit: int
    verdict: VerdictEnum
    host: str
    slot: str
    card_bytes: Annotated[int, Field(title='Size of the card')]
    permitted_at: Annotated[AwareDatetime, Field(title='Permitted')]
    ended_at: Annotated[AwareDatetime | None, Field(title='Ended')]
    certificate_url: Annotated[
        str | None, Field(description='Public; for verified cards.')
    ]


class Compared(BaseModel):
    number: Annotated[int, Field(title='Version')]
    saved_at: Annotated[AwareDatetime, Field(title='Saved')]
    saved_by: Annotated[
        str | None, Field(description='Null when nobody or a deleted account did.')
    ]
    note: str
    compared_with: Annotated[int | None, Field(...)]
    differences: list[Difference]


class Configuration(BaseModel):
    id: int
    organization: Annotated[
        str | None, Field(description='Yours, unless you are staff.')
    ] = None
    name: Annotated[
        str, Field(description='For you; not shown on the hotspot.', max_length=100)
    ]
    ssid: Annotated[str | None, Field(max_length=32, title='Wi-Fi name (SSID)')] = None
    domain: Annotated[
        str | None,
        Field(
            description='The landing page will be http://DOMAIN.hotspot',
            max_length=32,
            pattern='^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$',
        ),
    ] = None
    has_wifi_password: bool
    admin_account: Annotated[
        str | None, Field(max_length=31, pattern='^[A-Za-z0-9_-]{1,31}$')
    ] = None
    language: LanguageEnum | None = None
    timezone: Annotated[str | None, Field(max_length=60, title='Time zone')] = None
    variant: Annotated[VariantEnum | BlankEnum | None, Field(title='Edition')] = None
    branding_logo: Annotated[
        UUID | None, Field(description='An upload of the kind `logo`.')
    ] = None
    branding_favicon: Annotated[
        UUID | None, Field(description='An upload of the kind `favicon`.')
    ] = None
    preload_zip: Annotated[
        UUID | None,
        Field(
            description='An upload of the kind `zip`; its files lie in the File Manager of the hotspot.'
        ),
    ] = None
    contents: Annotated[
        list[str] | None, Field(description='Identifiers of the catalogue.')
    ] = None
    missing_contents: Annotated[
        list[str],
        Field(
            description='Of its contents those that are no longer available: `replace/` them, or leave them out.'
        ),
    ]
    content_metrics: Annotated[
        bool | None,
        Field(
            description='A page of the hotspot shows what is read how often.',
            title='Count the visits',
        ),
    ] = None
    option_kiwix_readers: Annotated[
        bool | None,
        Field(
            description='Visitors can install a reader for Windows, macOS, Linux or Android from the hotspot.',
            title='Kiwix readers',
        ),
    ] = None
    preload_url: Annotated[
        PreloadUrl | PreloadUrl1 | None,
        Field(
            description='Its files will lie in the File Manager of the hotspot.',
            title='Address of a ZIP archive',
        ),
    ] = None
    beta_features: Annotated[list[BetaFeature] | None, Field(max_length=50)] = None
    per_card: Annotated[
        list[PerCardItem] | None,
        Field(
            description='Small files of the boot partition that say something else on each card: `{serial}` becomes its serial number, `{suffix}` the first two groups of it. A download says `unset` there.',
            max_length=8,
        ),
    ] = None
    needed_bytes: Annotated[
        int,
        Field(description='What an image of it takes: choose a media of that size.'),
    ]
    version: Annotated[int | None, Field(ge=0, le=2147483647)] = None
    created_at: Annotated[AwareDatetime, Field(title='Created')]
    updated_at: Annotated[AwareDatetime, Field(title='Changed')]


class ConfigurationRequest(BaseModel):
    organization: Annotated[
        str | None, Field(description='Yours, unless you are staff.')
    ] = None
    name: Annotated[
        str,
        Field(
            description='For you; not shown on the hotspot.',
            max_length=100,
            min_length=1,
        ),
    ]
    ssid: Annotated[
        str | None, Field(max_length=32, min_length=1, title='Wi-Fi name (SSID)')
    ] = None
    domain: Annotated[
        str | None,
        Field(
            description='The landing page will be http://DOMAIN.hotspot',
            max_length=32,
            min_length=1,
            pattern='^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$',
        ),
    ] = None
    wifi_password: Annotated[
        str | None,
        Field(
            description='8 to 63 characters; leave empty for an open network.',
            max_length=63,
            title='Wi-Fi password',
        ),
    ] = None
    admin_account: Annotated[
        str | None, Field(max_length=31, min_length=1, pattern='^[A-Za-z0-9_-]{1,31}$')
    ] = None
    admin_password: Annotated[
        str, Field(max_length=31, min_length=1, pattern='^[A-Za-z0-9_-]{4,31}$')
    ]
    language: LanguageEnum | None = None
    timezone: Annotated[
        str | None, Field(max_length=60, min_length=1, title='Time zone')
    ] = None
    variant: Annotated[VariantEnum | BlankEnum | None, Field(title='Edition')] = None
    branding_logo: Annotated[
        UUID | None, Field(description='An upload of the kind `logo`.')
    ] = None
    branding_favicon: Annotated[
        UUID | None, Field(description='An upload of the kind `favicon`.')
    ] = None
    preload_zip: Annotated[
        UUID | None,
        Field(
            description='An upload of the kind `zip`; its files lie in the File Manager of the hotspot.'
        ),
    ] = None
    contents: Annotated[
        list[Content] | None, Field(description='Identifiers of the catalogue.')
    ] = None
    content_metrics: Annotated[
        bool | None,
        Field(
            description='A page of the hotspot shows what is read how often.',
            title='Count the visits',
        ),
    ] = None
    option_kiwix_readers: Annotated[
        bool | None,
        Field(
            description='Visitors can install a reader for Windows, macOS, Linux or Android from the hotspot.',
            title='Kiwix readers',
        ),
    ] = None
    preload_url: Annotated[
        PreloadUrl2 | PreloadUrl3 | None,
        Field(
            description='Its files will lie in the File Manager of the hotspot.',
            title='Address of a ZIP archive',
        ),
    ] = None
    beta_features: Annotated[list[BetaFeature1] | None, Field(max_length=50)] = None
    per_card: Annotated[
        list[PerCardItem] | None,
        Field(
            description='Small files of the boot partition that say something else on each card: `{serial}` becomes its serial number, `{suffix}` the first two groups of it. A download says `unset` there.',
            max_length=8,
        ),
    ] = None
    version: Annotated[int | None, Field(ge=0, le=2147483647)] = None


class Content1(BaseModel):
    ident: Annotated[str, Field(title='Identifier')]
    kind: ContentKind
    kind_label: str
    title: str
    description: str
    publisher: str
    name: str
    flavour: str
    category: str
    tags: list[Tag]
    languages: Annotated[
        list[Language],
        Field(description='ISO 639-3 codes, separated by commas. Example: fra,bam'),
    ]
    articles: Annotated[int | None, Field(...)]
    medias: Annotated[int | None, Field(title='Pictures, sounds and videos')]
    version: str
    issued: Annotated[date | None, Field(title='Date')]
    edition: Annotated[str, Field(title='Identifier of the edition')]
    path: Annotated[str, Field(title='Path on the card')]
    size: Annotated[int, Field(title='Size in bytes')]


class Delivery(BaseModel):
    organization: Annotated[str, Field(pattern='^[-a-zA-Z0-9_]+$')]
    outcome: DeliveryOutcomeEnum


class Desk(BaseModel):
    priority: PriorityEnum
    notes: Annotated[int, Field(description='How many there are.')]
    offered: Offered


class Ended(BaseModel):
    cursor: str
    now: float
    ended: list[EndedAttempt]
    removed: list[UUID]


class Imported(BaseModel):
    configuration: Configuration
    left_out: list[str]


class InvitationInputRequest(BaseModel):
    organization: Annotated[str, Field(min_length=1)]
    email: Annotated[EmailStr, Field(max_length=254, min_length=1, title='E-mail')]
    name: Annotated[str | None, Field(max_length=150)] = None
    language: Annotated[
        LanguageEnum | BlankEnum | None,
        Field(
            description="Empty: the organization's.\n\n* `en` - English\n* `fr` - Français",
            title='Language of the mail',
        ),
    ] = None
    account_ends_at: Annotated[
        AwareDatetime | None,
        Field(
            description='Of the account that is made by it. Empty: never.',
            title='Account ends',
        ),
    ] = None
    can_order_cards: Annotated[
        bool | None,
        Field(description='Otherwise downloads alone.', title='May order cards'),
    ] = None


class Media(BaseModel):
    id: int
    name: Annotated[str, Field(max_length=50)]
    kind: MediaKind
    gigabytes: Annotated[int, Field(ge=0, le=2147483647, title='Size in GB')]
    bytes: Annotated[int, Field(ge=0, le=9223372036854775807, title='Usable bytes')]


class Order(BaseModel):
    id: UUID
    number: int
    organization: str
    created_at: Annotated[AwareDatetime, Field(title='Ordered')]
    status: StatusEnum
    status_label: str
    failed_stage: Annotated[str, Field(title='Failed while')]
    failure: str
    kind: OrderKind
    media: int
    quantity: int
    configuration: Annotated[int | None, Field(...)]
    name: str
    image_name: Annotated[str, Field(title='File name')]
    image_bytes: Annotated[int, Field(title='Size of the image')]
    recipient_name: Annotated[str, Field(title='Recipient')]
    recipient_country: Annotated[str, Field(title='Country')]
    tracking: str
    shipped_at: Annotated[AwareDatetime | None, Field(title='Shipped')]
    expires_at: Annotated[AwareDatetime | None, Field(title='Download expires')]
    download_url: Annotated[str | None, Field(...)]
    torrent_url: Annotated[str | None, Field(...)]


class OrderDetail(BaseModel):
    id: UUID
    number: int
    organization: str
    created_at: Annotated[AwareDatetime, Field(title='Ordered')]
    status: StatusEnum
    status_label: str
    failed_stage: Annotated[str, Field(title='Failed while')]
    failure: str
    kind: OrderKind
    media: int
    quantity: int
    configuration: Annotated[int | None, Field(...)]
    name: str
    image_name: Annotated[str, Field(title='File name')]
    image_bytes: Annotated[int, Field(title='Size of the image')]
    recipient_name: Annotated[str, Field(title='Recipient')]
    recipient_country: Annotated[str, Field(title='Country')]
    tracking: str
    shipped_at: Annotated[AwareDatetime | None, Field(title='Shipped')]
    expires_at: Annotated[AwareDatetime | None, Field(title='Download expires')]
    download_url: Annotated[str | None, Field(...)]
    torrent_url: Annotated[str | None, Field(...)]
    recipient_email: Annotated[str, Field(description='Empty for downloads.')]
    recipient_phone: Annotated[str, Field(title='Phone')]
    recipient_address: Annotated[str, Field(title='Address')]
    recipient_postal_code: Annotated[str, Field(title='Postal code')]
    recipient_city: Annotated[str, Field(title='City')]
    contents: list[OrderedContent]
    stages: list[dict[str, Any]]
    waiting: list[Reason]
    history: list[Move]
    cards: list[Card]


class OrderInputRequest(BaseModel):
    recipient_name: Annotated[str, Field(max_length=100)] = ''
    recipient_email: RecipientEmail | RecipientEmail1 | None = None
    recipient_phone: Annotated[str, Field(max_length=30)] = ''
    recipient_address: Annotated[str, Field(max_length=1000)] = ''
    recipient_postal_code: Annotated[str, Field(max_length=20)] = ''
    recipient_city: Annotated[str, Field(max_length=100)] = ''
    recipient_country: Annotated[
        str, Field(description='ISO 3166, two capital letters.', max_length=2)
    ] = ''
    configuration: int
    kind: OrderKind
    media: int
    quantity: int = 1
    address: Annotated[
        int | None,
        Field(
            description="Of the address book of the configuration's organization, instead of a recipient."
        ),
    ] = None
    expected_units: Annotated[
        int | None,
        Field(
            description='What you think that it costs: any other price is refused with 409 `price_changed`.',
            ge=0,
        ),
    ] = None
    confirm_duplicate: Annotated[
        bool,
        Field(
            description='Order also what was ordered within the last hour: else 409 `duplicate_order`.'
        ),
    ] = False


class PaginatedConfigurationList(BaseModel):
    count: Annotated[int, Field(examples=[123])]
    next: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=4'])
    ] = None
    previous: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=2'])
    ] = None
    results: list[Configuration]


class PaginatedContentList(BaseModel):
    count: Annotated[int, Field(examples=[123])]
    next: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=4'])
    ] = None
    previous: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=2'])
    ] = None
    results: list[Content1]


class PaginatedMediaList(BaseModel):
    count: Annotated[int, Field(examples=[123])]
    next: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=4'])
    ] = None
    previous: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=2'])
    ] = None
    results: list[Media]


class PaginatedOrderList(BaseModel):
    count: Annotated[int, Field(examples=[123])]
    next: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=4'])
    ] = None
    previous: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=2'])
    ] = None
    results: list[Order]


class PatchedConfigurationRequest(BaseModel):
    organization: Annotated[
        str | None, Field(description='Yours, unless you are staff.')
    ] = None
    name: Annotated[
        str | None,
        Field(
            description='For you; not shown on the hotspot.',
            max_length=100,
            min_length=1,
        ),
    ] = None
    ssid: Annotated[
        str | None, Field(max_length=32, min_length=1, title='Wi-Fi name (SSID)')
    ] = None
    domain: Annotated[
        str | None,
        Field(
            description='The landing page will be http://DOMAIN.hotspot',
            max_length=32,
            min_length=1,
            pattern='^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$',
        ),
    ] = None
    wifi_password: Annotated[
        str | None,
        Field(
            description='8 to 63 characters; leave empty for an open network.',
            max_length=63,
            title='Wi-Fi password',
        ),
    ] = None
    admin_account: Annotated[
        str | None, Field(max_length=31, min_length=1, pattern='^[A-Za-z0-9_-]{1,31}$')
    ] = None
    admin_password: Annotated[
        str | None, Field(max_length=31, min_length=1, pattern='^[A-Za-z0-9_-]{4,31}$')
    ] = None
    language: LanguageEnum | None = None
    timezone: Annotated[
        str | None, Field(max_length=60, min_length=1, title='Time zone')
    ] = None
    variant: Annotated[VariantEnum | BlankEnum | None, Field(title='Edition')] = None
    branding_logo: Annotated[
        UUID | None, Field(description='An upload of the kind `logo`.')
    ] = None
    branding_favicon: Annotated[
        UUID | None, Field(description='An upload of the kind `favicon`.')
    ] = None
    preload_zip: Annotated[
        UUID | None,
        Field(
            description='An upload of the kind `zip`; its files lie in the File Manager of the hotspot.'
        ),
    ] = None
    contents: Annotated[
        list[Content] | None, Field(description='Identifiers of the catalogue.')
    ] = None
    content_metrics: Annotated[
        bool | None,
        Field(
            description='A page of the hotspot shows what is read how often.',
            title='Count the visits',
        ),
    ] = None
    option_kiwix_readers: Annotated[
        bool | None,
        Field(
            description='Visitors can install a reader for Windows, macOS, Linux or Android from the hotspot.',
            title='Kiwix readers',
        ),
    ] = None
    preload_url: Annotated[
        PreloadUrl4 | PreloadUrl5 | None,
        Field(
            description='Its files will lie in the File Manager of the hotspot.',
            title='Address of a ZIP archive',
        ),
    ] = None
    beta_features: Annotated[list[BetaFeature1] | None, Field(max_length=50)] = None
    per_card: Annotated[
        list[PerCardItem] | None,
        Field(
            description='Small files of the boot partition that say something else on each card: `{serial}` becomes its serial number, `{suffix}` the first two groups of it. A download says `unset` there.',
            max_length=8,
        ),
    ] = None
    version: Annotated[int | None, Field(ge=0, le=2147483647)] = None


class Replacements(BaseModel):
    configuration: Configuration
    replaced: list[Replaced]


class ReportRequest(BaseModel):
    event_id: UUID
    attempt: Annotated[int, Field(ge=1, le=2147483647)]
    step: StepEnum
    progress: ProgressRequest | None = None
    log: LogRequest | None = None
    outcome: ReportOutcomeEnum | None = None
    trouble: TroubleRequest | None = None
    result: dict[str, Any] | None = None


class SlotRequest(BaseModel):
    name: Annotated[
        str, Field(min_length=1, pattern='^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$')
    ]
    present: bool
    size: Annotated[int, Field(ge=0, le=4611686018427387904)]
    diskseq: Annotated[
        int | None, Field(ge=-4611686018427387904, le=4611686018427387904)
    ]
    model: str
    contents: str
    problem: str
    bus: BusRequest | None = None


class UnitEntry(BaseModel):
    number: Annotated[int, Field(title='Entry')]
    kind: UnitEntryKindEnum
    units: Annotated[int, Field(title='Change')]
    held: Annotated[int, Field(title='Change of what is reserved')]
    balance: int
    reserved: int
    order: Annotated[UUID | None, Field(...)]
    by: str
    note: str
    at: AwareDatetime


class Upload(BaseModel):
    id: UUID
    organization: str
    kind: UploadKind
    name: str
    size: Annotated[int, Field(title='Size in bytes')]
    sha256: Annotated[str, Field(title='SHA-256')]
    created_at: Annotated[AwareDatetime, Field(title='Created')]


class UploadInputRequest(BaseModel):
    organization: Annotated[
        str | None, Field(description='Yours, unless you are staff.')
    ] = None
    kind: UploadKind
    file: bytes


class BeatRequest(BaseModel):
    kind: TaskKind
    boot_id: Annotated[str, Field(max_length=64, min_length=1)]
    version: Annotated[str, Field(max_length=30, min_length=1)]
    protocol: int
    free_bytes: Annotated[int, Field(ge=0, le=4611686018427387904)]
    running: Annotated[list[UUID], Field(max_length=100)]
    attempts: Annotated[list[HeldRequest] | None, Field(max_length=100)] = None
    slots: Annotated[list[SlotRequest] | None, Field(max_length=100)] = None


class PaginatedUnitEntryList(BaseModel):
    count: Annotated[int, Field(examples=[123])]
    next: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=4'])
    ] = None
    previous: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=2'])
    ] = None
    results: list[UnitEntry]


class PaginatedUploadList(BaseModel):
    count: Annotated[int, Field(examples=[123])]
    next: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=4'])
    ] = None
    previous: Annotated[
        AnyUrl | None, Field(examples=['http://api.example.org/accounts/?page=2'])
    ] = None
    results: list[Upload]
