//! A note for people, in the language of the case's source; its last line is the marker by which we know it again.
//!
//! Must not know: any system's markup. The severity's word is never translated: it is the value to filter by.

use crate::action::{Severity, note_marker_line};
use crate::rule::{Language, Rule};
use crate::state::Flag;

/// The whole text.
pub fn note(rule: &Rule, flag: &Flag, language: Language, marker: &str) -> String {
    let why = if flag.why.is_empty() { &rule.title } else { &flag.why };
    format!(
        "[{}] {}\n{why}\n{}\n{}\n{}",
        flag.severity.word(),
        rule.title,
        advice(language, flag.severity),
        origin(language, rule),
        note_marker_line(marker)
    )
}

fn advice(language: Language, severity: Severity) -> &'static str {
    let [calm, look, act] = match language {
        Language::English => [
            "No action by a manager is asked for yet.",
            "Escalation candidate: a duty manager should look.",
            "A manager should act now.",
        ],
        Language::German => [
            "Noch muss keine Führungskraft handeln.",
            "Eskalation möglich: Der Duty Manager sollte hinsehen.",
            "Eine Führungskraft sollte jetzt handeln.",
        ],
        Language::French => [
            "Aucune action d'un responsable n'est encore demandée.",
            "Escalade possible : le responsable d'astreinte devrait regarder.",
            "Un responsable devrait agir maintenant.",
        ],
        Language::Spanish => [
            "Todavía no se pide que actúe un responsable.",
            "Posible escalada: el responsable de guardia debería mirar.",
            "Un responsable debería actuar ahora.",
        ],
    };
    match severity {
        Severity::Watch | Severity::Warning => calm,
        Severity::Candidate => look,
        Severity::Critical => act,
    }
}

/// Which rule said it, and how to answer. The severity is a field or a label, so "remove" fits every system.
fn origin(language: Language, rule: &Rule) -> String {
    let (name, version) = (&rule.name, &rule.version);
    match language {
        Language::English => {
            format!("Rule {name} version {version}. To dismiss it, remove the dutyd severity from this case.")
        }
        Language::German => {
            format!(
                "Regel {name} Version {version}. Zum Verwerfen den Schweregrad von dutyd vom Fall entfernen."
            )
        }
        Language::French => {
            format!("Règle {name} version {version}. Pour l'écarter, retirez du dossier la gravité de dutyd.")
        }
        Language::Spanish => {
            format!("Regla {name} versión {version}. Para descartarla, quite del caso la gravedad de dutyd.")
        }
    }
}
