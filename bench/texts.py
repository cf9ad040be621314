"""Words and sentences from which the data set's texts are put together; each task's text depends on its number only."""

from __future__ import annotations

from random import Random

# In every second task, and in the title of every fourth: the worst case of a search.
COMMON_WORD = "kontroll"
# In one task of ten thousand.
RARE_WORD = "kvikksølvlampe"

_VERBS = (
    ("Bestill", "Order"),
    ("Monter", "Mount"),
    ("Ring", "Call"),
    ("Skriv", "Write"),
    ("Planlegg", "Plan"),
    ("Rydd", "Tidy"),
    ("Oppdater", "Update"),
    ("Hent", "Fetch"),
    ("Mål", "Measure"),
    ("Erstatt", "Replace"),
    ("Åpne", "Open"),
    ("Øv på", "Practise"),
)
_OBJECTS = (
    ("sikringsskap", "fuse box"),
    ("varmekabler", "heating cables"),
    ("tilbudet", "the quotation"),
    ("nettsiden", "the website"),
    ("timelister", "time sheets"),
    ("røykvarslere", "smoke detectors"),
    ("blåbærhyller", "blueberry shelves"),
    ("ladestasjon", "charging station"),
    ("årsrapporten", "the annual report"),
    ("kundelisten", "the customer list"),
    ("verktøykassen", "the toolbox"),
    ("jordfeilbryter", "earth leakage breaker"),
    ("møteplanen", "the meeting plan"),
    ("fakturaene", "the invoices"),
    ("lysarmatur", "light fittings"),
    ("bilnøklene", "the car keys"),
)
_PLACES = (
    ("i Storgata", "in Main Street"),
    ("på Grünerløkka", "at the harbour"),
    ("hos Ødegård", "at the Smiths'"),
    ("for kjelleren", "for the basement"),
    ("i andre etasje", "on the second floor"),
    ("før helgen", "before the weekend"),
    ("til avdelingen", "for the department"),
    ("på lageret", "in the store room"),
    ("etter ferien", "after the holidays"),
)
_SENTENCES = (
    "Avtal tidspunkt med vaktmesteren og husk nøkkel til portrommet.",
    "Kunden ønsker et skriftlig svar innen fredag, helst på e-post.",
    "Delene ligger på lageret, hylle 14, bak den gamle tavla.",
    "The supplier promised delivery within ten working days; ask again if nothing has come.",
    "Ta bilder før og etter arbeidet, og legg dem ved rapporten.",
    "Bring the long ladder and the insulated tools, the ceiling is four metres high.",
    "Strømmen må være av mellom klokken åtte og ti.",
    "See the notes of the last meeting for the agreed price and the people involved.",
    "Målingene fra i fjor viste for høy motstand i kurs 7.",
    "Check whether the warranty still holds before ordering new parts.",
    "Gjestene kommer klokken tolv; alt må være ryddet til da.",
    "The old documentation is wrong in two places, correct it on the way.",
    "Fargen skal være den samme som i gangen, nærmest mulig hvit.",
    "Budsjettet er godkjent opp til 25 000 kroner uten ny søknad.",
    "Please keep an eye on the hours, this one tends to grow.",
    "Parkering i bakgården, porten åpnes med kode.",
    "Two of the users reported the same problem on older phones.",
    "Skjemaet må signeres av både eier og utførende.",
    "Lekkasjen ved pipa må tettes før snøen kommer.",
    "A short summary in English is needed for the main office.",
)
_COMMON_SENTENCE = f"Avslutt med {COMMON_WORD} og signer skjemaet."
_RARE_SENTENCE = f"Husk den gamle {RARE_WORD} på loftet."
_NOTES = (
    "Snakket med Kåre, han er enig.",
    "Waiting for an answer from the supplier.",
    "Halvparten er gjort, resten tas i neste uke.",
    "Mind the dog.",
    "Nøkkelen henger hos naboen.",
)


def title_pair(random: Random, number: int) -> tuple[str, str]:
    """Return the title of task ``number`` in the language it was written in, and in Norwegian or nothing."""
    verb, thing, place = random.choice(_VERBS), random.choice(_OBJECTS), random.choice(_PLACES)
    norwegian = f"{verb[0]} {thing[0]} {place[0]}"
    if number % 4 == 0:
        norwegian = f"{COMMON_WORD.capitalize()}: {norwegian[0].lower()}{norwegian[1:]}"
    if number % 3:
        return norwegian, ""
    return f"{verb[1]} {thing[1]} {place[1]}", norwegian


def description(random: Random, number: int) -> list[str]:
    """Return the sentences of the description of task ``number``."""
    sentences = random.sample(_SENTENCES, random.randint(1, 5))
    if number % 4 == 1:
        sentences.append(_COMMON_SENTENCE)
    if number % 10_000 == 5:
        sentences.append(_RARE_SENTENCE)
    return sentences


def notes(random: Random) -> list[str]:
    """Return the notes of a task: two in three have none."""
    return [random.choice(_NOTES)] if random.random() < 1 / 3 else []
