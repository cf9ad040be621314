"""The texts of the demonstration data: people, categories, projects, and what is to do in them."""

from __future__ import annotations

from dataclasses import dataclass

PASSWORD = "lyng-og-svaberg-47"
EMAIL_DOMAIN = "demo.example.com"


@dataclass(frozen=True)
class Person:
    """Somebody with an account."""

    username: str
    first_name: str
    last_name: str
    language: str
    city: str
    role: str = "user"

    @property
    def email(self) -> str:
        """The address to sign in with."""
        return f"{self.username}@{EMAIL_DOMAIN}"


@dataclass(frozen=True)
class CategoryText:
    """A category that all share."""

    name: str
    name_nb: str
    color: str
    description: str


@dataclass(frozen=True)
class Step:
    """What is done with each thing of a project; ``{}`` in a title stands for the thing."""

    title: str
    title_nb: str
    description: str
    description_nb: str
    categories: tuple[str, ...]


@dataclass(frozen=True)
class ProjectText:
    """A project whose tasks are each of its steps with each of its things; ``progress`` of 1 is all done."""

    name: str
    name_nb: str
    description: str
    description_nb: str
    owner: str
    members: tuple[str, ...]
    progress: float
    things: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Chore:
    """A task of one person, in no project."""

    owner: str
    title: str
    title_nb: str
    category: str


PEOPLE = (
    Person("kari-nordmann", "Kari", "Nordmann", "no", "Oslo", role="staff"),
    Person("ola-haugen", "Ola", "Haugen", "no", "Trondheim"),
    Person("ingrid-solberg", "Ingrid", "Solberg", "no", "Bergen"),
    Person("sunniva-aas", "Sunniva", "Ås", "no", "Tromsø"),
    Person("amir-rahimi", "Amir", "Rahimi", "no", "Drammen"),
    Person("emma-wilson", "Emma", "Wilson", "en", "Stavanger"),
    Person("james-carter", "James", "Carter", "en", "London"),
    Person("piotr-nowak", "Piotr", "Nowak", "en", "Fredrikstad"),
)

CATEGORIES = (
    CategoryText("Planning", "Planlegging", "#2b6cb0", "Who does what, when, and with what"),
    CategoryText("Purchasing", "Innkjøp", "#2f855a", "Things to order, fetch or send back"),
    CategoryText("Electrical", "Elektro", "#d69e2e", "Work that needs an electrician"),
    CategoryText("Carpentry", "Snekring", "#975a16", "Work in wood"),
    CategoryText("Documentation", "Dokumentasjon", "#4a5568", "Reports, manuals and drawings"),
    CategoryText("Design", "Utforming", "#b83280", "How it looks and how it is used"),
    CategoryText("Development", "Utvikling", "#553c9a", "Code, and what it runs on"),
    CategoryText("Quality", "Kvalitet", "#2c7a7b", "Tests, controls and approvals"),
    CategoryText("Meetings", "Møter", "#c05621", "Meetings and what was agreed there"),
    CategoryText("Finance", "Økonomi", "#276749", "Budgets, invoices and accounts"),
    CategoryText("Events", "Arrangement", "#c53030", "Anything with guests"),
    CategoryText("Home", "Hjem", "#3182ce", "Everything outside of work"),
)

PROJECTS = (
    ProjectText(
        "Cabin wiring",
        "Strøm på hytta",
        "New electrical installation before Easter; the old one is from 1974.",
        "Nytt elektrisk anlegg før påske; det gamle er fra 1974.",
        "kari-nordmann",
        ("ola-haugen", "piotr-nowak"),
        0.55,
        (
            ("the fuse box", "sikringsskapet"),
            ("the kitchen", "kjøkkenet"),
            ("the bathroom", "badet"),
            ("the loft", "hemsen"),
            ("the boathouse", "naustet"),
            ("the outdoor lights", "utelysene"),
            ("the charging station", "ladestasjonen"),
        ),
        (
            Step(
                "Measure and draw up {}",
                "Mål opp og tegn {}",
                "Measure twice, and note where the old cables run.",
                "Mål to ganger, og noter hvor de gamle kablene går.",
                ("Planning", "Electrical"),
            ),
            Step(
                "Get a quotation for {}",
                "Innhent tilbud på {}",
                "Ask at least three suppliers; the price must include delivery.",
                "Spør minst tre leverandører; prisen skal inkludere levering.",
                ("Purchasing", "Finance"),
            ),
            Step(
                "Order materials for {}",
                "Bestill materialer til {}",
                "The boat takes 200 kg at a time. Pay by invoice.",
                "Båten tar 200 kg om gangen. Betales med faktura.",
                ("Purchasing",),
            ),
            Step(
                "Pull cables to {}",
                "Trekk kabel til {}",
                "PFXP 3G2.5, at least 30 cm from water pipes. The power has to be off.",
                "PFXP 3G2,5, minst 30 cm fra vannrør. Strømmen må være av.",
                ("Electrical",),
            ),
            Step(
                "Close walls and ceiling around {}",
                "Lukk vegger og himling rundt {}",
                "Take photos before the panels go up; the inspector asks for them.",
                "Ta bilder før panelet settes opp; kontrolløren spør etter dem.",
                ("Carpentry",),
            ),
            Step(
                "Final inspection of {}",
                "Sluttkontroll av {}",
                "Insulation resistance and earth fault, with a signed form.",
                "Isolasjonsmotstand og jordfeil, med signert skjema.",
                ("Quality", "Documentation"),
            ),
        ),
    ),
    ProjectText(
        "New website",
        "Nytt nettsted",
        "A faster site in two languages that also works for screen readers.",
        "Et raskere nettsted på to språk som også fungerer med skjermleser.",
        "emma-wilson",
        ("james-carter", "sunniva-aas", "amir-rahimi"),
        0.4,
        (
            ("the front page", "forsiden"),
            ("the product pages", "produktsidene"),
            ("the search", "søket"),
            ("the contact form", "kontaktskjemaet"),
            ("the blog", "bloggen"),
            ("the customer portal", "kundeportalen"),
            ("the newsletter", "nyhetsbrevet"),
        ),
        (
            Step(
                "Sketch {}",
                "Skisser {}",
                "Small screens first. Two alternatives are enough.",
                "Små skjermer først. To alternativer holder.",
                ("Design",),
            ),
            Step(
                "Write the texts for {}",
                "Skriv tekstene til {}",
                "Short sentences, no jargon; Norwegian first, then English.",
                "Korte setninger uten faguttrykk; norsk først, så engelsk.",
                ("Documentation", "Design"),
            ),
            Step(
                "Build {}",
                "Bygg {}",
                "Reuse the components we have. Ask before adding a dependency.",
                "Bruk komponentene vi har. Spør før du legger til en avhengighet.",
                ("Development",),
            ),
            Step(
                "Check accessibility of {}",
                "Sjekk universell utforming av {}",
                "Keyboard only, screen reader, 200 % zoom and contrast.",
                "Bare tastatur, skjermleser, 200 % zoom og kontrast.",
                ("Quality", "Design"),
            ),
            Step(
                "Test {} with five users",
                "Test {} med fem brukere",
                "Record where they hesitate, not what they say they like.",
                "Noter hvor de nøler, ikke hva de sier at de liker.",
                ("Quality", "Meetings"),
            ),
            Step(
                "Publish {}",
                "Publiser {}",
                "Not on a Friday. Keep the old address redirecting for a year.",
                "Ikke på en fredag. La den gamle adressen videresende i et år.",
                ("Development", "Planning"),
            ),
        ),
    ),
    ProjectText(
        "Office move",
        "Flytting til nytt kontor",
        "From Storgata to the harbour, without a day of closed doors.",
        "Fra Storgata til havna, uten en eneste dag med stengte dører.",
        "ingrid-solberg",
        ("kari-nordmann", "amir-rahimi", "emma-wilson"),
        0.7,
        (
            ("the reception", "resepsjonen"),
            ("the meeting rooms", "møterommene"),
            ("the workshop", "verkstedet"),
            ("the archive", "arkivet"),
            ("the server room", "serverrommet"),
            ("the canteen", "kantina"),
            ("the bicycle parking", "sykkelparkeringen"),
        ),
        (
            Step(
                "Agree on needs for {}",
                "Avklar behovene for {}",
                "One hour with those who use it daily; write down three musts.",
                "En time med dem som bruker det daglig; skriv ned tre krav.",
                ("Meetings", "Planning"),
            ),
            Step(
                "Draw a floor plan of {}",
                "Tegn planløsning for {}",
                "Escape routes at least 90 cm wide, and room for a wheelchair to turn.",
                "Rømningsveier på minst 90 cm, og plass til å snu en rullestol.",
                ("Design", "Planning"),
            ),
            Step(
                "Buy furniture for {}",
                "Kjøp inn møbler til {}",
                "Used before new. Measure the lift first.",
                "Brukt før nytt. Mål heisen først.",
                ("Purchasing", "Finance"),
            ),
            Step(
                "Lay power and network in {}",
                "Legg opp strøm og nett i {}",
                "Two sockets and two network points for each workplace.",
                "To stikkontakter og to nettverkspunkter per arbeidsplass.",
                ("Electrical",),
            ),
            Step(
                "Pack and label {}",
                "Pakk og merk {}",
                "Blue labels go to the second floor, yellow ones to recycling.",
                "Blå lapper skal til andre etasje, gule til gjenbruk.",
                ("Planning",),
            ),
            Step(
                "Hand over {} to the landlord",
                "Overlever {} til gårdeier",
                "Photos, keys, and the signed protocol.",
                "Bilder, nøkler og signert protokoll.",
                ("Documentation", "Quality"),
            ),
        ),
    ),
    ProjectText(
        "Midsummer festival",
        "Midtsommerfestival",
        "Two days, three stages and about 1,200 guests on the quay.",
        "To dager, tre scener og omtrent 1200 gjester på kaia.",
        "sunniva-aas",
        ("ingrid-solberg", "ola-haugen", "james-carter"),
        0.25,
        (
            ("the main stage", "hovedscenen"),
            ("the children's tent", "barneteltet"),
            ("the food stalls", "matbodene"),
            ("the ticket office", "billettluka"),
            ("the first aid post", "førstehjelpsposten"),
            ("the boat shuttle", "båtskyssen"),
            ("the bonfire", "bålet"),
        ),
        (
            Step(
                "Set a budget for {}",
                "Lag budsjett for {}",
                "Ten per cent in reserve, and say what is cut first.",
                "Ti prosent i reserve, og si hva som kuttes først.",
                ("Finance", "Events"),
            ),
            Step(
                "Apply for permission for {}",
                "Søk om tillatelse til {}",
                "The municipality and the police need six weeks.",
                "Kommunen og politiet trenger seks uker.",
                ("Documentation", "Events"),
            ),
            Step(
                "Find volunteers for {}",
                "Finn frivillige til {}",
                "Shifts of at most four hours, and food for everybody.",
                "Vakter på høyst fire timer, og mat til alle.",
                ("Meetings", "Events"),
            ),
            Step(
                "Rent equipment for {}",
                "Lei utstyr til {}",
                "Delivered on Thursday, collected on Monday. Ask about insurance.",
                "Levert torsdag, hentet mandag. Spør om forsikring.",
                ("Purchasing", "Events"),
            ),
            Step(
                "Rig power for {}",
                "Rigg strøm til {}",
                "Cables under mats where people walk; a residual current device in each box.",
                "Kabler under matter der folk går; jordfeilvern i hver boks.",
                ("Electrical", "Events"),
            ),
            Step(
                "Write the bad weather plan for {}",
                "Skriv uværsplan for {}",
                "Who decides, by when, and how the guests are told.",
                "Hvem bestemmer, når, og hvordan gjestene får beskjed.",
                ("Planning", "Events"),
            ),
        ),
    ),
    ProjectText(
        "Annual accounts",
        "Årsregnskap",
        "Everything that the auditor needs, closed and delivered.",
        "Alt som revisor trenger, avsluttet og levert.",
        "ola-haugen",
        ("kari-nordmann",),
        1,
        (
            ("the wages", "lønningene"),
            ("the VAT", "merverdiavgiften"),
            ("the inventory", "varelageret"),
            ("the travel expenses", "reiseregningene"),
            ("the customer invoices", "kundefakturaene"),
            ("the supplier invoices", "leverandørfakturaene"),
            ("the bank accounts", "bankkontoene"),
        ),
        (
            Step(
                "Collect vouchers for {}",
                "Samle bilag for {}",
                "PDF where there is one; scan the rest at 300 dpi.",
                "PDF der det finnes; skann resten i 300 dpi.",
                ("Finance", "Documentation"),
            ),
            Step(
                "Reconcile {}",
                "Avstem {}",
                "Every difference above 100 kroner gets an explanation.",
                "Alle avvik over 100 kroner skal forklares.",
                ("Finance",),
            ),
            Step(
                "Correct errors in {}",
                "Rett feil i {}",
                "Reverse and post anew; never change a posted line.",
                "Tilbakefør og bokfør på nytt; endre aldri en bokført linje.",
                ("Finance", "Quality"),
            ),
            Step(
                "Go through {} with the auditor",
                "Gå gjennom {} med revisor",
                "Bring last year's questions and our answers.",
                "Ta med spørsmålene fra i fjor og svarene våre.",
                ("Meetings", "Finance"),
            ),
            Step(
                "Write the note on {}",
                "Skriv noten om {}",
                "Half a page, with last year's figures beside it.",
                "En halv side, med fjorårets tall ved siden av.",
                ("Documentation", "Finance"),
            ),
            Step(
                "Archive {}",
                "Arkiver {}",
                "Five years, read-only, with a table of contents.",
                "Fem år, skrivebeskyttet, med innholdsfortegnelse.",
                ("Documentation",),
            ),
        ),
    ),
    ProjectText(
        "Mobile app",
        "Mobilapp",
        "The time sheets in everybody's pocket, also where there is no coverage.",
        "Timelistene i lomma til alle, også der det ikke er dekning.",
        "james-carter",
        ("emma-wilson", "piotr-nowak"),
        0.35,
        (
            ("sign-in", "innloggingen"),
            ("the time sheet", "timelisten"),
            ("the calendar", "kalenderen"),
            ("push messages", "varslene"),
            ("offline mode", "frakoblet modus"),
            ("the photo upload", "bildeopplastingen"),
            ("the settings", "innstillingene"),
        ),
        (
            Step(
                "Describe {} in user stories",
                "Beskriv {} i brukerhistorier",
                "At most five, each with what must not happen.",
                "Høyst fem, hver med det som ikke skal skje.",
                ("Planning", "Documentation"),
            ),
            Step(
                "Design {}",
                "Utform {}",
                "For a thumb in a work glove, in sunlight.",
                "For en tommel i arbeidshanske, i sollys.",
                ("Design",),
            ),
            Step(
                "Program {}",
                "Programmer {}",
                "Behind a switch until it is tested. Small pull requests.",
                "Bak en bryter til det er testet. Små endringer om gangen.",
                ("Development",),
            ),
            Step(
                "Write automatic tests for {}",
                "Skriv automatiske tester for {}",
                "The unhappy paths first: no network, full disk, wrong clock.",
                "Feilveiene først: uten nett, full disk, feil klokke.",
                ("Quality", "Development"),
            ),
            Step(
                "Try {} on old phones",
                "Prøv {} på gamle telefoner",
                "The oldest ones in the drawer; note start time and battery.",
                "De eldste i skuffen; noter oppstartstid og batteri.",
                ("Quality",),
            ),
            Step(
                "Explain {} in the help pages",
                "Forklar {} på hjelpesidene",
                "One picture, five sentences, both languages.",
                "Ett bilde, fem setninger, begge språk.",
                ("Documentation",),
            ),
        ),
    ),
    ProjectText(
        "Training programme",
        "Kursprogram",
        "Short courses that people actually finish.",
        "Korte kurs som folk faktisk gjennomfører.",
        "amir-rahimi",
        ("ingrid-solberg", "sunniva-aas"),
        0.5,
        (
            ("the fire safety course", "brannvernkurset"),
            ("the first aid course", "førstehjelpskurset"),
            ("the onboarding day", "introduksjonsdagen"),
            ("the spreadsheet course", "regnearkkurset"),
            ("the privacy course", "personvernkurset"),
            ("the Norwegian course", "norskkurset"),
            ("the leadership course", "lederkurset"),
        ),
        (
            Step(
                "Set goals for {}",
                "Sett mål for {}",
                "What can somebody do afterwards that they could not before?",
                "Hva kan deltakeren etterpå som de ikke kunne før?",
                ("Planning",),
            ),
            Step(
                "Find a teacher for {}",
                "Finn kursholder til {}",
                "Ask our own people first.",
                "Spør våre egne først.",
                ("Meetings", "Planning"),
            ),
            Step(
                "Make the material for {}",
                "Lag materiell til {}",
                "Exercises rather than slides.",
                "Heller øvelser enn lysbilder.",
                ("Documentation", "Design"),
            ),
            Step(
                "Book room and food for {}",
                "Bestill rom og mat til {}",
                "Ask about allergies; coffee from the start.",
                "Spør om allergier; kaffe fra start.",
                ("Purchasing", "Events"),
            ),
            Step(
                "Hold {}",
                "Hold {}",
                "Twelve participants at most, with a break every 45 minutes.",
                "Høyst tolv deltakere, med pause hvert 45. minutt.",
                ("Events",),
            ),
            Step(
                "Evaluate {}",
                "Evaluer {}",
                "Three questions, and once more after two months.",
                "Tre spørsmål, og en gang til etter to måneder.",
                ("Quality", "Documentation"),
            ),
        ),
    ),
    ProjectText(
        "Courtyard",
        "Bakgården",
        "The housing co-operative's courtyard becomes a place to sit, play and grow things.",
        "Bakgården i borettslaget blir et sted å sitte, leke og dyrke.",
        "piotr-nowak",
        ("kari-nordmann", "sunniva-aas", "ola-haugen"),
        0,
        (
            ("the playground", "lekeplassen"),
            ("the raised beds", "plantekassene"),
            ("the benches", "benkene"),
            ("the bicycle shed", "sykkelskuret"),
            ("the gate", "porten"),
            ("the rain garden", "regnbedet"),
            ("the barbecue area", "grillplassen"),
        ),
        (
            Step(
                "Ask the neighbours about {}",
                "Spør naboene om {}",
                "A note in every letter box and a box for answers by the stairs.",
                "En lapp i hver postkasse, og en svarboks ved trappa.",
                ("Meetings",),
            ),
            Step(
                "Draw a proposal for {}",
                "Tegn forslag til {}",
                "To scale, with sun and shade at noon and at six.",
                "I målestokk, med sol og skygge klokka tolv og seks.",
                ("Design",),
            ),
            Step(
                "Apply for a grant for {}",
                "Søk om tilskudd til {}",
                "The district's deadline is the first of the month.",
                "Fristen hos bydelen er den første i måneden.",
                ("Finance", "Documentation"),
            ),
            Step(
                "Get timber and soil for {}",
                "Skaff trevirke og jord til {}",
                "Untreated larch; the soil comes in sacks of 40 litres.",
                "Ubehandlet lerk; jorda kommer i sekker på 40 liter.",
                ("Purchasing",),
            ),
            Step(
                "Build {} on a volunteer day",
                "Bygg {} på dugnad",
                "Tools are in the basement. Waffles at noon.",
                "Verktøyet står i kjelleren. Vafler klokka tolv.",
                ("Carpentry", "Events"),
            ),
            Step(
                "Plan the upkeep of {}",
                "Planlegg vedlikehold av {}",
                "Who, how often, and what it may cost in a year.",
                "Hvem, hvor ofte, og hva det kan koste i året.",
                ("Planning", "Finance"),
            ),
        ),
    ),
)

CHORES = (
    Chore("kari-nordmann", "Renew passport", "Forny passet", "Home"),
    Chore("kari-nordmann", "Book the chimney sweep", "Bestill feier", "Home"),
    Chore("kari-nordmann", "Prepare the monthly meeting", "Forbered månedsmøtet", "Meetings"),
    Chore("ola-haugen", "Change to winter tyres", "Skift til vinterdekk", "Home"),
    Chore("ola-haugen", "Pick blueberries with the children", "Plukk blåbær med barna", "Home"),
    Chore("ola-haugen", "Compare electricity contracts", "Sammenlign strømavtaler", "Finance"),
    Chore("ingrid-solberg", "Order new glasses", "Bestill nye briller", "Home"),
    Chore("ingrid-solberg", "Read through the lease", "Les gjennom leiekontrakten", "Documentation"),
    Chore("ingrid-solberg", "Wax the skis", "Smør skiene", "Home"),
    Chore("sunniva-aas", "Paint the hallway", "Mal gangen", "Home"),
    Chore("sunniva-aas", "Call the choir about Saturday", "Ring koret om lørdag", "Events"),
    Chore("sunniva-aas", "Repair the north-facing window", "Reparer vinduet mot nord", "Carpentry"),
    Chore("amir-rahimi", "Practise the presentation", "Øv på presentasjonen", "Meetings"),
    Chore("amir-rahimi", "Buy a bread knife", "Kjøp brødkniv", "Purchasing"),
    Chore("amir-rahimi", "Sign up for the half marathon", "Meld deg på halvmaraton", "Home"),
    Chore("emma-wilson", "Send the tax return", "Lever skattemeldingen", "Finance"),
    Chore("emma-wilson", "Learn the names of the neighbours", "Lær navnene på naboene", "Home"),
    Chore("emma-wilson", "Sort the photo archive", "Rydd i bildearkivet", "Documentation"),
    Chore("james-carter", "Update the test phones", "Oppdater testtelefonene", "Quality"),
    Chore("james-carter", "Book flights to Bergen", "Bestill fly til Bergen", "Purchasing"),
    Chore("james-carter", "Write the conference talk", "Skriv konferanseforedraget", "Events"),
    Chore("piotr-nowak", "Replace the smoke detector batteries", "Bytt batteri i røykvarslerne", "Electrical"),
    Chore("piotr-nowak", "Build shelves for the storeroom", "Snekre hyller til boden", "Carpentry"),
    Chore("piotr-nowak", "Return the borrowed drill", "Lever tilbake boremaskinen", "Home"),
)

# Each names two people: {0} and {1} become usernames.
NOTES = (
    "@{0} can you confirm the date? @{1} needs it for the plan.",
    "Avtalt med @{0} på mandagsmøtet. @{1} følger opp.",
    "Waiting for an answer from the supplier; @{0} calls again on Thursday.",
    "@{0} har nøkkelen. Si fra til @{1} når du er ferdig.",
    "Took longer last time than we thought. Ask @{0}, who did it then.",
    "Bildene ligger i felles mappe. @{0} og @{1}, se gjennom før fredag.",
    "@{0}: is the budget approved? Otherwise we wait until next month.",
    "Ring @{0} først, det er trangt om plassen der.",
    "Done in part; the rest when @{0} is back from holiday.",
    "Må avklares med naboen. @{0} tar det på dugnaden.",
)
