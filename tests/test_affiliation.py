"""Whose student somebody is, from the headline or the note, in seven languages."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.affiliation import Affiliation, Institution, affiliation, fold, speaks_of

STUDENT, POSTDOC, ALUMNUS, MEMBER = Affiliation
LINDENHOF = (Institution.named("Lindenhof University"),)


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_letters_are_folded_as_those_with_accents_are(text: str) -> None:
    assert fold(f"{text} É") == f"{fold(text)} e".strip()


@pytest.mark.parametrize(
    ("place", "headline"),
    [
        (STUDENT, "Student at Lindenhof University"),
        (STUDENT, "PhD student at Lindenhof University"),
        (STUDENT, "B.Sc. student Computer Science at Lindenhof University"),
        (STUDENT, "Graduate student at Lindenhof University"),
        (STUDENT, "Undergraduate at Lindenhof University"),
        (STUDENT, "Student assistant at Lindenhof University"),
        (STUDENT, "Student (Psychology), Lindenhof University"),
        (STUDENT, "Research assistant & PhD candidate @Lindenhof University"),
        (STUDENT, "Doctoral researcher at the Institute of Mechanics, Lindenhof University"),
        (STUDENT, "PhD candidate in Linguistics | Lindenhof University | Climber"),
        (STUDENT, "Lindenhof University - PhD student"),
        (STUDENT, "PhD student at Lindenhof University, alumna of Thornley College"),
        (STUDENT, "PhD student at Lindenhof University | MSc alumna of Lindenhof University"),
        (STUDENT, "Doktorandin am Institut für Physik, Universität Lindenhof"),
        (STUDENT, "Masterstudentin Informatik an der Universität Lindenhof"),
        (STUDENT, "Medizinstudent, Uni Lindenhof"),
        (STUDENT, "Étudiante en droit à l'Université de Lindenhof"),
        (STUDENT, "Doctorant, Université de Lindenhof"),
        (STUDENT, "Estudiante de doctorado en la Universidad de Lindenhof"),
        (STUDENT, "Alumna de la Universidad de Lindenhof"),
        (STUDENT, "Dottoranda presso Università degli Studi di Lindenhof"),
        (STUDENT, "Studentessa di fisica all’Università di Lindenhof"),
        (STUDENT, "Doutorando em Física na Universidade de Lindenhof"),
        (STUDENT, "Promovendus aan de Universiteit Lindenhof"),
        (STUDENT, "Student | University of Lindenhof"),
        (STUDENT, "Student, Lindenhof University | Intern at Google"),
        (STUDENT, "Intern at Google | Student at Lindenhof University"),
        (STUDENT, "Visiting PhD student at Lindenhof University"),
        (STUDENT, "Studentische Hilfskraft, Universität Lindenhof"),
        (STUDENT, "Wissenschaftlicher Mitarbeiter und Doktorand an der Universität Lindenhof"),
        (STUDENT, "PhD student supervised by Prof. X, Lindenhof University"),
        (STUDENT, "PhD student and lecturer at Lindenhof University"),
        (STUDENT, "PhD student & teaching assistant at Lindenhof University"),
        (STUDENT, "Law student & student union president at Lindenhof University"),
        (STUDENT, "Ph.D. Candidate, Lindenhof University"),
        (STUDENT, "Estudante de mestrado na Universidade de Lindenhof"),
        (STUDENT, "Mestranda em Direito | Universidade de Lindenhof"),
        (STUDENT, "Studente di medicina presso l'Università di Lindenhof"),
        (STUDENT, "Student Rechten aan de Universiteit Lindenhof"),
        (STUDENT, "Doktorand der Physik @ Universität Lindenhof"),
        (STUDENT, "Étudiant·e à l'Université de Lindenhof"),
        (STUDENT, "Student*in an der Universität Lindenhof"),
        (STUDENT, "Doktorand:in, Universität Lindenhof"),
        (STUDENT, "étudiant(e) à l'Université de Lindenhof"),
        (STUDENT, "Final-year student at Lindenhof University"),
        (STUDENT, "MBA Candidate at Lindenhof University"),
        (STUDENT, "MSc Student in Data Science @ Lindenhof University"),
        (STUDENT, "Computer Science Student at Lindenhof University | Seeking internship"),
        (STUDENT, "Student bei Universität Lindenhof"),
        (STUDENT, "Student an Universität Lindenhof"),
        (STUDENT, "Aspiring engineer, student at Lindenhof University"),
        (STUDENT, "Doctoral Candidate – Lindenhof University"),
        (STUDENT, "Masterstudent · Universität Lindenhof"),
        (STUDENT, "Third year PhD student, Dept. of Physics, Lindenhof University"),
        (POSTDOC, "Postdoc at Lindenhof University"),
        (POSTDOC, "Postdoctoral researcher, Institute of Mechanics, Lindenhof University"),
        (POSTDOC, "Postdoktorand an der Universität Lindenhof"),
        (POSTDOC, "Chercheuse postdoctorale à l'Université de Lindenhof"),
        (POSTDOC, "Investigadora posdoctoral en la Universidad de Lindenhof"),
        (POSTDOC, "Assegnista di ricerca presso l'Università di Lindenhof"),
        (POSTDOC, "Pós-doutoranda na Universidade de Lindenhof"),
        (POSTDOC, "Postdoc bij de Universiteit Lindenhof"),
        (POSTDOC, "Postdoctoral Researcher (Marie Curie) at Lindenhof University"),
        (ALUMNUS, "Founder at Brightlatch, ex-student of Lindenhof University"),
        (ALUMNUS, "Former PhD student at Lindenhof University"),
        (ALUMNUS, "Data Steward at Flussbogen | Alumna of Lindenhof University"),
        (ALUMNUS, "PhD student at ETH Zurich, alumnus of Lindenhof University"),
        (ALUMNUS, "PhD student at Thornley College | BSc Lindenhof University"),
        (ALUMNUS, "Analyst | MSc Physics, Lindenhof University"),
        (ALUMNUS, "Graduate of Lindenhof University"),
        (ALUMNUS, "Softwareentwicklerin, Absolventin der Universität Lindenhof (M.Sc. 2014)"),
        (ALUMNUS, "Ancienne étudiante de l'Université de Lindenhof"),
        (ALUMNUS, "Egresada de la Universidad de Lindenhof"),
        (ALUMNUS, "Laureato all'Università di Lindenhof"),
        (ALUMNUS, "Formada pela Universidade de Lindenhof"),
        (ALUMNUS, "Oud-student Universiteit Lindenhof"),
        (ALUMNUS, "PhD, Lindenhof University"),
        (ALUMNUS, "Recruiter (ex-Lindenhof University student)"),
        (ALUMNUS, "Lehrer | Alumnus Universität Lindenhof"),
        (ALUMNUS, "Ehem. Doktorandin, Uni Lindenhof"),
        (ALUMNUS, "Absolventin Universität Lindenhof"),
        (ALUMNUS, "Barrister. Lindenhof University alumna. Runner."),
        (ALUMNUS, "Alumnus, Lindenhof University (2009)"),
        (ALUMNUS, "Graduated from Lindenhof University"),
        (ALUMNUS, "Engineer at Foo (Lindenhof University alumni)"),
        (ALUMNUS, "Exstudent der Universität Lindenhof"),
        (ALUMNUS, "Lindenhof University graduate"),
        (ALUMNUS, "MSc from Lindenhof University"),
        (ALUMNUS, "Lindenhof University MSc 2014, now at Brightlatch"),
        (MEMBER, "Professor at Lindenhof University"),
        (MEMBER, "Student Recruiter at Lindenhof University | we bring talent to campus"),
        (MEMBER, "Professor of student learning at Lindenhof University"),
        (MEMBER, "Student Affairs Officer at Lindenhof University"),
        (MEMBER, "Career advisor for PhD students at Lindenhof University"),
        (MEMBER, "Recruiting students and postdocs for Lindenhof University"),
        (MEMBER, "Postdoc Office Coordinator at Lindenhof University"),
        (MEMBER, "Head of Graduate School at Lindenhof University"),
        (MEMBER, "Alumni Relations Manager at Lindenhof University"),
        (MEMBER, "Head of Alumni Relations, Lindenhof University"),
        (MEMBER, "MBA Program Director at Lindenhof University"),
        (MEMBER, "Prospective student, Lindenhof University"),
        (MEMBER, "Studienberaterin für Studierende an der Universität Lindenhof"),
        (MEMBER, "Responsable vie étudiante, Université de Lindenhof"),
        (MEMBER, "Servicios al estudiante, Universidad de Lindenhof"),
        (MEMBER, "Student at Thornley College, Tutor at Lindenhof University"),
        (MEMBER, "Tutor at Lindenhof University, PhD student at Thornley"),
        (MEMBER, "Research Fellow at Lindenhof University"),
        (MEMBER, "Alumni-Beauftragte der Universität Lindenhof"),
        (MEMBER, "Eternal student of history, Professor at Lindenhof University"),
        (MEMBER, "Former Student Recruiter at Lindenhof University"),
        (MEMBER, "Lindenhof University Student Recruiter"),
        (MEMBER, "Student Recruitment | Lindenhof University"),
        (MEMBER, "International Student Office, Lindenhof University"),
        (MEMBER, "Chargée de l'insertion des doctorants, Université de Lindenhof"),
        (MEMBER, "Director of Alumni Engagement at Lindenhof University"),
        (MEMBER, "Alumni Network | Lindenhof University"),
        (MEMBER, "Graduate Admissions, Lindenhof University"),
        (MEMBER, "Graduate Research Office, Lindenhof University"),
        (MEMBER, "Dozent für Studierende im Master, Universität Lindenhof"),
        (MEMBER, "Student Records at Lindenhof University"),
        (MEMBER, "Student psychologist at Lindenhof University"),
        (MEMBER, "Student Wellbeing Adviser | Lindenhof University"),
        (MEMBER, "I help PhD students at Lindenhof University finish"),
        (MEMBER, "Postdoc mentor at Lindenhof University"),
        (MEMBER, "PhD student advisor & professor, Lindenhof University"),
        (MEMBER, "Professor (PhD student supervision), Lindenhof University"),
        (MEMBER, "Talent scout for students of Lindenhof University"),
        (MEMBER, "Student Housing Lindenhof University"),
        (MEMBER, "Studentenseelsorger, Universität Lindenhof"),
        (MEMBER, "Studierendenwerk Universität Lindenhof"),
        (MEMBER, "Responsabile servizi allo studente, Università di Lindenhof"),
        (MEMBER, "Apoio ao estudante, Universidade de Lindenhof"),
        (MEMBER, "Studentendecaan aan de Universiteit Lindenhof"),
        (MEMBER, "Accompagnement des étudiants à l'Université de Lindenhof"),
        (None, "Student at Lindenhof University of Applied Sciences"),
        (None, "Student at Lindenhof College"),
        (None, "Student an der Hochschule Lindenhof"),
        (None, "Doktorand an der TU Lindenhof"),
        (None, "PhD student at Lindenhof Technical University"),
        (None, "PhD student at University of Kallirroi"),
        (None, "Recruiter – we place students and postdocs | Talentbrücke"),
        (None, "Student"),
        (None, "Lindenhof Studentin"),
        (None, "Student, Universität Neu-Lindenhof"),
        (None, "Student at New Lindenhof University"),
        (None, "Student at Lindenhof Business School"),
        (None, "Student at Lindenhof Medical University"),
        (None, None),
    ],
)
def test_a_headline_tells_a_present_or_past_place_at_the_institution(
    place: Affiliation | None, headline: str | None
) -> None:
    assert affiliation(headline, None, LINDENHOF) is place


@pytest.mark.parametrize(
    ("place", "note"),
    [
        (ALUMNUS, "I studied physics at Lindenhof University from 2004 to 2009."),
        (ALUMNUS, "I am a former student of Lindenhof University."),
        (ALUMNUS, "As a fellow Lindenhof University alumna, I enjoyed your talk."),
        (ALUMNUS, "Ich habe in Lindenhof meinen Master gemacht."),
        (ALUMNUS, "J'ai étudié à l'Université de Lindenhof."),
        (ALUMNUS, "Estudié en la Universidad de Lindenhof."),
        (ALUMNUS, "Mi sono laureata a Lindenhof nel 2012"),
        (ALUMNUS, "Estudei em Lindenhof."),
        (ALUMNUS, "Ik heb in Lindenhof gestudeerd."),
        (None, "My daughter studied at Lindenhof University."),
        (None, "I am currently finishing my degree at Lindenhof University."),
        (None, "I studied in Hollenstedt and now live in Lindenhof."),
        (None, "Ich habe an der Hochschule Lindenhof studiert."),
        (None, "Do you know alumni of Lindenhof University?"),
        (None, "I moved to Lindenhof last year."),
    ],
)
def test_a_note_tells_only_that_its_writer_studied_there(place: Affiliation | None, note: str) -> None:
    assert affiliation(None, note, LINDENHOF) is place


@pytest.mark.parametrize(
    ("institution", "headline"),
    [
        ("Hollenstedt Technical University", "Masterstudent an der Technischen Universität Hollenstedt"),
        ("Hollenstedt Technical University", "Student, TU Hollenstedt"),
        ("Universität Lindenhof", "Student at the University of Lindenhof"),
        ("University of California, Berkeley", "Student, University of California Berkeley"),
        ("MIT", "Student at MIT"),
        ("Hochschule Lindenhof", "Student an der Hochschule Lindenhof"),
    ],
)
def test_an_institution_is_found_in_other_word_orders_and_languages(institution: str, headline: str) -> None:
    assert affiliation(headline, None, (Institution.named(institution),)) is STUDENT


def test_one_of_several_institutions_is_enough() -> None:
    both = (Institution.named("Thornley College"), Institution.named("Lindenhof University"))

    assert affiliation("Student at Lindenhof University", None, both) is STUDENT


@pytest.mark.parametrize(
    ("fits", "pattern", "headline", "place"),
    [
        (True, "student", "Doktorandin, Universität Lindenhof", STUDENT),
        (True, "postdoc*", "Postdoctoral fellow, Lindenhof University", POSTDOC),
        (True, "alumn*", "Graduate of Lindenhof University", ALUMNUS),
        (True, "librarian*", "Librarians' assistant at Lindenhof University", MEMBER),
        (True, "phd student", "PhD student at Lindenhof University", STUDENT),
        (False, "phd student", "B.Sc. student at Lindenhof University", STUDENT),
        (False, "student", "Student Recruiter at Lindenhof University", MEMBER),
        (False, "student", "Postdoc at Lindenhof University", POSTDOC),
        (False, "art", "Head of Department at Lindenhof University", MEMBER),
    ],
)
def test_a_group_is_for_a_place_or_for_words_of_the_headline(
    fits: bool, pattern: str, headline: str, place: Affiliation
) -> None:
    assert speaks_of((pattern,), headline, place) is fits


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("c*k", True),
        ("c*o*k", True),
        ("c*x*k", False),
        ("?ook", True),
        ("*port", True),
        ("co*at old*t", False),  # a star stands for letters of one word
        ("co* at o*d*t", True),
    ],
)
def test_a_star_in_a_pattern_stands_for_letters_of_a_word(pattern: str, fits: bool) -> None:
    assert speaks_of([pattern], "Cook at Oldport", MEMBER) is fits


@pytest.mark.parametrize("pattern", ["*a" * 40 + "*b", "a*" * 40 + "b", "?*" * 40 + "b", "*" * 100 + "b"])
def test_no_pattern_of_the_owners_takes_for_ever(pattern: str) -> None:
    began = time.process_time()

    found = speaks_of([pattern], "a" * 1000, MEMBER)

    assert not found
    assert time.process_time() - began < 1
