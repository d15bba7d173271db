"""What agents do: every write of the bundled APIs that is curated, in the words of its catalogue."""

from __future__ import annotations

from types import MappingProxyType

AGENTS_DO = MappingProxyType(
    {
        "stripe": """
            application_fees.refunds.create
            charges.capture charges.create charges.update
            checkout.sessions.create checkout.sessions.expire checkout.sessions.update
            coupons.create coupons.delete coupons.update
            credit_notes.create credit_notes.update credit_notes.void_credit_note
            customers.balance_transactions.create customers.balance_transactions.update
            customers.cash_balance.update customers.create customers.delete customers.delete_discount
            customers.payment_sources.create customers.payment_sources.delete customers.payment_sources.update
            customers.payment_sources.verify customers.tax_ids.create customers.tax_ids.delete customers.update
            disputes.close disputes.update
            files.create
            invoice_items.create invoice_items.delete invoice_items.update
            invoices.add_lines invoices.create invoices.delete invoices.finalize_invoice
            invoices.mark_uncollectible invoices.pay invoices.remove_lines invoices.send_invoice invoices.update
            invoices.update_lines invoices.void_invoice
            payment_intents.apply_customer_balance payment_intents.cancel payment_intents.capture
            payment_intents.confirm payment_intents.create payment_intents.increment_authorization
            payment_intents.update
            payment_links.create payment_links.update
            payment_methods.attach payment_methods.detach payment_methods.update
            payouts.cancel payouts.create payouts.reverse payouts.update
            prices.create prices.update
            products.create products.delete products.update
            promotion_codes.create promotion_codes.update
            quotes.accept quotes.cancel quotes.create quotes.finalize_quote quotes.update
            refunds.cancel refunds.create refunds.update
            setup_intents.cancel setup_intents.confirm setup_intents.create setup_intents.update
            sources.detach
            subscription_items.create subscription_items.delete subscription_items.update
            subscription_schedules.cancel subscription_schedules.create subscription_schedules.release
            subscription_schedules.update
            subscriptions.cancel subscriptions.create subscriptions.delete_discount subscriptions.migrate
            subscriptions.pause subscriptions.resume subscriptions.update
            topups.cancel topups.create topups.update
            transfers.create transfers.reversals.create transfers.reversals.update transfers.update
            webhook_endpoints.create webhook_endpoints.delete webhook_endpoints.update
        """,
        "github": """
            actions/approve-workflow-run actions/cancel-workflow-run actions/create-environment-variable
            actions/create-or-update-environment-secret actions/create-or-update-org-secret
            actions/create-or-update-repo-secret actions/create-org-variable actions/create-repo-variable
            actions/create-workflow-dispatch actions/delete-artifact actions/delete-environment-secret
            actions/delete-environment-variable actions/delete-org-secret actions/delete-org-variable
            actions/delete-repo-secret actions/delete-repo-variable actions/delete-workflow-run
            actions/disable-workflow actions/enable-workflow actions/force-cancel-workflow-run
            actions/re-run-job-for-workflow-run actions/re-run-workflow actions/re-run-workflow-failed-jobs
            actions/update-environment-variable actions/update-org-variable actions/update-repo-variable
            checks/create checks/update
            codespaces/set-codespaces-access-users
            copilot/add-copilot-seats-for-teams copilot/add-copilot-seats-for-users
            gists/create gists/create-comment gists/delete gists/delete-comment gists/update
            gists/update-comment
            git/create-blob git/create-commit git/create-ref git/create-tag git/create-tree git/delete-ref
            git/update-ref
            issues/add-assignees issues/add-labels issues/add-sub-issue issues/create issues/create-comment
            issues/create-label issues/create-milestone issues/delete-comment issues/delete-label
            issues/delete-milestone issues/lock issues/remove-all-labels issues/remove-assignees
            issues/remove-label issues/remove-sub-issue issues/set-labels issues/unlock issues/update
            issues/update-comment issues/update-label issues/update-milestone
            orgs/create-webhook orgs/delete-webhook orgs/update-webhook
            pulls/create pulls/create-reply-for-review-comment pulls/create-review pulls/create-review-comment
            pulls/delete-pending-review pulls/delete-review-comment pulls/dismiss-review pulls/merge
            pulls/merge-async pulls/remove-requested-reviewers pulls/request-reviewers pulls/submit-review
            pulls/update pulls/update-branch pulls/update-review pulls/update-review-comment
            reactions/create-for-issue reactions/create-for-issue-comment reactions/delete-for-issue
            reactions/delete-for-issue-comment
            repos/add-collaborator repos/add-status-check-contexts repos/add-team-access-restrictions
            repos/add-user-access-restrictions repos/create-commit-comment repos/create-commit-status
            repos/create-deploy-key repos/create-deployment repos/create-deployment-status
            repos/create-dispatch-event repos/create-for-authenticated-user repos/create-fork
            repos/create-in-org repos/create-or-update-environment repos/create-or-update-file-contents
            repos/create-release repos/create-repo-ruleset repos/create-webhook repos/delete
            repos/delete-an-environment repos/delete-branch-protection repos/delete-commit-comment
            repos/delete-deploy-key repos/delete-file repos/delete-release repos/delete-release-asset
            repos/delete-repo-ruleset repos/delete-webhook repos/merge repos/merge-upstream
            repos/remove-collaborator repos/remove-status-check-contexts repos/remove-team-access-restrictions
            repos/remove-user-access-restrictions repos/rename-branch repos/replace-all-topics
            repos/set-status-check-contexts repos/set-team-access-restrictions
            repos/set-user-access-restrictions repos/transfer repos/update repos/update-branch-protection
            repos/update-commit-comment repos/update-release repos/update-release-asset
            repos/update-repo-ruleset repos/update-webhook repos/update-webhook-config-for-repo
            repos/upload-release-asset
        """,
        "jira": """
            restore addAttachment removeAttachment addComment deleteComment updateComment deleteCommentProperty
            setCommentProperty createComponent deleteComponent updateComponent assignIssue createIssue
            createIssues deleteIssue editIssue linkIssues deleteIssueLink deleteIssueProperty setIssueProperty
            archiveProject createProject deleteProject updateProject deleteProjectAsynchronously
            deleteProjectProperty setProjectProperty createOrUpdateRemoteIssueLink updateRemoteIssueLink
            deleteRemoteIssueLinkByGlobalId deleteRemoteIssueLinkById doTransition createVersion
            deleteAndReplaceVersion deleteVersion mergeVersions updateVersion addVote removeVote addWatcher
            removeWatcher addWorklog deleteWorklog updateWorklog
        """,
    }
)
"""By API, the names of operations."""
