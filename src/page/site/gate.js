// The token of the page, if it has one, is another one than when the page was opened: the form in its place asks for it.

/** Gives the answer of a fetch; where it asks for a token, the page is loaded anew. */
export function letIn(answer) {
  if (answer.status === 401) location.reload();
  return answer;
}
