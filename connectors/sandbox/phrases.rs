//! What people write in the world: titles, first messages, replies of customers and agents.
//! Plain text only; `{product}` stands for the product's name.

/// What a customer reports in every tool when it breaks.
pub const OUTAGE: (&str, &str) = (
    "{product} is down at all our sites",
    "Production is down: {product} answers nobody since a few minutes ago. We report this in every tool we have.",
);

pub const TITLES: &[(&str, &str)] = &[
    (
        "{product}: users cannot sign in since this morning",
        "Since about 08:30 nobody in our Lyon office can sign in to {product}. The page loads, the password is accepted, then it returns to the sign-in form.",
    ),
    (
        "{product} is slow for the whole finance team",
        "Every page of {product} takes 20 to 40 seconds for the finance team. Other departments do not see it.",
    ),
    (
        "Export from {product} stops at 10,000 rows",
        "The nightly export stops at exactly 10,000 rows. We have about 46,000 records. No error is shown.",
    ),
    (
        "Question about the invoice for {product}",
        "The last invoice lists 140 seats, our contract says 120. Please have a look and send a corrected one.",
    ),
    (
        "Certificate of {product} expires next week",
        "Our monitoring says that the certificate used by {product} expires next Thursday. Will it be renewed by you?",
    ),
    (
        "{product}: API answers 500 for some accounts",
        "Calls to /v2/accounts answer 500 for about one account in thirty. Request ids are in the attached list.",
    ),
    (
        "Please add three users to {product}",
        "We have three new colleagues who need access to {product} with the role Editor.",
    ),
    (
        "Data missing after the upgrade of {product}",
        "After Saturday's upgrade the records of the first week of the month are not shown any more.",
    ),
    (
        "{product} sends notification mails twice",
        "Since Monday all notification mails arrive twice, a few seconds apart.",
    ),
    (
        "How do we move {product} to another region?",
        "Our legal department asks us to move the data from Virginia to Frankfurt. What are the steps?",
    ),
    (
        "Backup of {product} failed three nights in a row",
        "The backup job reports 'target not reachable' since Tuesday night. The target answers to ping.",
    ),
    (
        "Mobile app of {product} crashes on start",
        "On Android 15 the app closes at once. Reinstalling did not help. iOS is fine.",
    ),
];

pub const CUSTOMER_PLAIN: &[&str] = &[
    "Here are the logs you asked for.",
    "Yes, it happens in both browsers.",
    "I tried that, the behaviour is the same.",
    "Is there any news on this?",
    "Could you give me an update please?",
    "We are still seeing this. It is now about 30 users.",
    "Any idea what the cause might be? We could test something on our side.",
    "The screenshot is from 14:20 local time.",
    "Still waiting for your answer.",
];

pub const CUSTOMER_SIGNALS: &[&str] = &[
    "This is taking too long. I want to escalate this to your manager.",
    "Please escalate this ticket, our management is asking for a status every hour.",
    "If this is not solved we will have to look at other vendors and cancel our contract.",
    "We are considering switching to a competitor at renewal.",
    "We need this fixed by Friday, the audit starts on Monday.",
    "The deadline for our quarterly report is tomorrow at 17:00.",
    "Production is down. Nobody can work. This affects all sites.",
    "This is a complete outage for us, our production system is down since 10 minutes.",
];

pub const CUSTOMER_THANKS: &[&str] = &[
    "Thank you, that solved it.",
    "Perfect, it works again. Thanks for the quick help!",
    "Thanks, you can close this.",
];

pub const AGENT_PUBLIC: &[&str] = &[
    "Thank you for the report. I am looking into it and come back to you today.",
    "Could you send me the logs of the time when it happened, please?",
    "We could reproduce this here and have found a likely cause. A fix is being tested.",
    "Could you please try again in a private browser window and tell me what you see?",
    "I have changed a setting on our side. Does it still happen?",
    "I have handed this to our specialists and will keep you informed.",
];

pub const AGENT_INTERNAL: &[&str] = &[
    "Looks like the same pattern as last month, checking the release notes.",
    "Asked the on-call engineer for the node's metrics.",
    "Customer is on the old cluster, migration planned for next week.",
    "Reproduced on staging with build 4411.",
    "Called the contact, no answer, left a message.",
];

pub const AGENT_RESOLVED: &[&str] = &[
    "The fix is live since a few minutes. Please tell us if you still see the problem.",
    "We have corrected the configuration; the problem should be gone.",
    "Done as asked. Do not hesitate to come back to us.",
];
