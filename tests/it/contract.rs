//! The contract that every connector keeps, checked against the sandbox in-process, calm and hostile.
//!
//! A new vendor adds a [`subject::Subject`] and one line `contract!(…)`.

pub mod door;
pub mod jira_sites;
mod operations;
mod promises;
pub mod salesforce_org;
pub mod subject;
mod table;
pub mod wanted;
pub mod world;

/// One test per promise, calm and hostile. The order is the numbering of the contract.
macro_rules! contract {
    ($vendor:ident, $subject:path) => {
        mod $vendor {
            mod calm {
                contract!(@promises $subject, false);
            }
            mod hostile {
                contract!(@promises $subject, true);
            }
        }
    };
    (@promises $subject:path, $hostile:literal) => {
        contract!(@tests $subject, $hostile,
            p01_the_check_names_the_account
            p02_a_wrong_secret_is_signed_out
            p03_a_backfill_over_many_pages_reads_every_case
            p04_an_edit_is_seen_by_the_next_poll
            p05_edits_in_one_tick_across_a_page_boundary_are_all_seen
            p06_an_edit_while_paging_is_not_lost
            p07_an_account_in_another_time_zone_reads_the_same
            p08_rows_that_become_visible_late_are_read
            p09_a_cursor_of_another_version_reads_all_again
            p10_one_malformed_record_does_not_stop_the_page
            p11_a_throttle_is_reported_with_its_end
            p12_delivering_again_after_a_lost_answer_has_one_effect
            p13_one_refused_write_leaves_the_others_alone
            p14_own_writes_are_attributed_to_us
            p15_a_genuine_webhook_names_the_case
            p16_a_forged_stale_or_garbled_webhook_is_refused
            p17_children_beyond_the_first_page_are_read
            p18_a_deleted_case_is_gone
            p19_a_case_that_never_was_is_not_read
            p20_a_poll_without_news_is_cheap
            p21_no_request_leaves_the_declared_list
            p22_a_record_that_takes_no_writes_is_left_as_it_is
        );
    };
    (@tests $subject:path, $hostile:literal, $($promise:ident)*) => {
        $(
            #[tokio::test]
            async fn $promise() {
                $crate::contract::promises::$promise(&$subject, $hostile).await;
            }
        )*
    };
}

contract!(servicenow, crate::contract::subject::SERVICENOW);
contract!(zendesk, crate::contract::subject::ZENDESK);
contract!(jira, crate::contract::jira_sites::CLOUD);
contract!(jira_dc, crate::contract::jira_sites::DATA_CENTER);
contract!(salesforce, crate::contract::salesforce_org::SALESFORCE);
