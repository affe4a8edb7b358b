/**
 * The scripts that a shell loads. They ask `cutover __complete` at each tab: its first line is `words` or `files`, and each
 * line after that a candidate, a tab, and a description.
 */
export const SCRIPTS = {
  bash: `# Completion of cutover for bash. Load it: source <(cutover completion bash)
_cutover() {
  local word=\${COMP_WORDS[COMP_CWORD]} kind="" line
  COMPREPLY=()
  while IFS= read -r line; do
    line=\${line%%$'\\t'*}
    if [[ -z $kind ]]; then kind=$line
    elif [[ $line == "$word"* ]]; then COMPREPLY+=("$line")
    fi
  done < <("\${COMP_WORDS[0]}" __complete --line "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
  if [[ $kind == files ]]; then compopt -o default; fi
}
complete -F _cutover cutover
`,
  zsh: `#compdef cutover
# Completion of cutover for zsh. Load it: source <(cutover completion zsh)
_cutover() {
  local -a lines items
  lines=("\${(@f)$("\${words[1]}" __complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ \${lines[1]} == files ]]; then
    _files
  else
    items=("\${(@)\${(@)lines[2,-1]//:/\\\\:}/$'\\t'/:}")
    _describe 'cutover' items
  fi
}
if [[ \${funcstack[1]} == _cutover ]]; then _cutover; else compdef _cutover cutover; fi
`,
  fish: `# Completion of cutover for fish. Load it: cutover completion fish | source
function __cutover_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l lines (command $words[1] __complete -- $words[2..-1] 2>/dev/null)
  if test "$lines[1]" = files
    __fish_complete_path (commandline -ct)
  else
    printf '%s\\n' $lines[2..-1]
  end
end
complete -c cutover -f -a '(__cutover_complete)'
`,
} as const
